//! Slow and broken apps harm themselves alone: the real daemon under apps that do not read, that
//! die in mid-call, that come and go by the thousand, and that send garbage.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may fail by panicking"
)]
#![allow(
    clippy::too_many_lines,
    reason = "two stories, told from beginning to end"
)]

mod broken;
mod process;
mod stalled;

/// Latencies and memory are measured, so one test runs at a time.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
