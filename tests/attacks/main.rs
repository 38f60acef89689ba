//! Attacks from outside, one file a kind: by local users with and without rights, by pages, by
//! strangers at the hub, and by hostile and broken servers. Each test holds the real program
//! against a stated budget, a refusal, or the promise that nothing stands still for others.
//!
//! Tests of several users need root, which may connect as anybody; without it they say what they
//! skipped.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may fail by panicking"
)]

mod answers;
mod attacked_daemon;
mod attacked_hub;
mod channels;
mod content;
mod files;
mod frames;
mod hub;
mod hub_entrance;
mod limits;
mod network;
mod paths;
mod pull;
mod recorder;
mod reload;
mod rights;
mod secrets;
mod shares;
mod small;
mod strangers;
mod texts;
#[allow(dead_code, reason = "not every helper is used by each kind of attack")]
mod user_limits;
