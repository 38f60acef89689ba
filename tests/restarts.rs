//! Apps and daemons that are killed, stopped and started again, as processes, on a network whose record of what was sent they
//! are held against.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "restarts/app.rs"]
mod app;
#[path = "restarts/apps.rs"]
mod apps;
#[path = "restarts/daemons.rs"]
mod daemons;
#[allow(dead_code, unused_imports, reason = "the faults use more of it")]
#[path = "faults/judge/mod.rs"]
mod judge;
mod process;
#[path = "restarts/scene.rs"]
mod scene;
#[allow(dead_code, reason = "the faults use more of it")]
#[path = "faults/world.rs"]
mod world;
