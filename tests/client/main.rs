//! The typed client over a real gRPC connection: a scripted daemon on a Unix socket, which can be
//! stopped and started again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod calls;
mod command;
mod listening;
mod scripted;
