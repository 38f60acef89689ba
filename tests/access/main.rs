//! The access rules, through gRPC on the real daemon's socket, with callers that are other users.
//! To be run as root, which alone can become somebody else.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod actor;
mod events;
mod explain;
mod instances;
mod metrics;
mod reload;
mod requests;
mod rights;
mod tcp;
mod units;

use std::path::Path;

use actor::Actor;

/// Root may do everything; nobody may use one channel.
const RULES: &str = r#"
[[access]]
uid = 0
allow = ["listen", "broadcast", "respond", "request", "status", "admin"]
[[access]]
user = "nobody"
allow = ["listen", "broadcast", "respond", "status"]
channels = ["menu"]
"#;

#[test]
#[ignore = "played by the other tests, as another user"]
fn played_as_another_user() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let socket = std::env::var_os("EXPD_SOCKET").unwrap();
    let mut actor = runtime.block_on(Actor::connect(Path::new(&socket)));
    for order in std::io::stdin().lines() {
        println!("answer: {}", runtime.block_on(actor.does(&order.unwrap())));
    }
}
