//! An identity's way to the cloud, against scripted servers that count and keep every request, and against the embedded network.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may fail by panicking"
)]

#[path = "session/calls.rs"]
mod calls;
#[path = "wire/certificates.rs"]
mod certificates;
#[path = "session/clock.rs"]
mod clock;
#[path = "session/cloud.rs"]
mod cloud;
#[path = "session/login.rs"]
mod login;
#[path = "session/once.rs"]
mod once;
#[path = "session/pairing.rs"]
mod pairing;
#[path = "session/trouble.rs"]
mod trouble;
#[path = "session/world.rs"]
mod world;
