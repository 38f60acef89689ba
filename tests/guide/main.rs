//! The Rust client in the guide's form, against a real daemon on a real network: each thing that
//! the vendor's own tests assert of theirs, by its name, and what the library promises besides.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod interrupt;
mod promises;
mod resources;
mod vendor;

use std::time::Duration;

use expd_client::{
    Exp, InstanceEvent, InstanceEvents, Listener, Received, ReceivedBroadcast, StartOptions,
};
use expd_test_support::in_time;
use expd_test_support::network::secret_of;
use expd_test_support::world::World;

const WAIT: Duration = Duration::from_secs(2);

/// Options at the world's daemon.
fn at(world: &World) -> StartOptions {
    Exp::options().socket(world.socket())
}

async fn start(world: &World) -> Exp {
    at(world).start().await.unwrap()
}

fn screen(world: &World) -> StartOptions {
    at(world).device("screen", secret_of("screen").expose())
}

fn ada(world: &World) -> StartOptions {
    at(world).user("ada", "password", "demo")
}

fn app(world: &World) -> StartOptions {
    at(world).consumer_app("app", "app key")
}

async fn heard(listener: &mut Listener) -> ReceivedBroadcast {
    match in_time("a broadcast", listener.next()).await.unwrap() {
        Some(Received::Broadcast(broadcast)) => broadcast,
        other => panic!("not a broadcast: {other:?}"),
    }
}

async fn next_event(events: &mut InstanceEvents) -> InstanceEvent {
    in_time("an event", events.next()).await.unwrap().unwrap()
}
