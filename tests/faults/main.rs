//! Nothing is lost in silence: the daemon under changing tokens, faults of the network and slow
//! apps, held against what was really sent.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may fail by panicking"
)]

mod faults;
mod model;
mod proxy;
mod rotation;
mod script;
mod subscriptions;
mod tls;
