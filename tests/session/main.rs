//! An identity's way to the cloud, against scripted servers that count and keep every request, and
//! against the embedded network.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may fail by panicking"
)]

mod calls;
mod clock;
mod fates;
mod login;
mod once;
mod pairing;
mod refresh;
mod trouble;
mod world;
