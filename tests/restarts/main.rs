//! Apps and daemons that are killed, stopped and started again, as processes, on a network whose
//! record of what was sent they are held against.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod app;
mod apps;
mod daemons;
mod scene;
