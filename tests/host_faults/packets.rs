//! The wire is cut without a word: packets leave and arrive nowhere.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::sleep;

use crate::house::{House, KNOWN};
use crate::namespace::Namespace;
use expd_test_support::network::Network;
use expd_test_support::process::Daemon;
use expd_test_support::traffic::{Traffic, outages};

/// A connection that is dead without a sign of it is found by the probe.
const FOUND: Duration = Duration::from_secs(32);

/// From the end of the fault.
const BOUND: Duration = Duration::from_secs(25);

/// A daemon at the end of a wire, and what comes and goes on it.
async fn at_a_wire(space: &Namespace) -> (Network, House, Daemon, Traffic) {
    let network = Network::start_with(|hub| hub.listen = SocketAddr::from((space.host, 0))).await;
    let house = House::new(&format!("http://{}", network.address()), KNOWN);
    let daemon = house.start(&space.enter());
    let traffic = Traffic::start(&house.client().await, &network.sender()).await;
    (network, house, daemon, traffic)
}

/// TCP makes up for it, and nobody is to notice.
pub async fn are_dropped_for_a_moment() {
    let space = Namespace::new(0);
    let (mut network, _house, mut daemon, traffic) = at_a_wire(&space).await;
    space.drop_packets();
    sleep(Duration::from_secs(4)).await;
    space.pass();
    let took = traffic.flows("packets dropped for 4 s", BOUND).await;
    eprintln!(
        "packets dropped for 4 s: back {:.1} s after it",
        took.as_secs_f64()
    );
    for (sum, signals) in traffic.end("packets dropped for 4 s").await {
        assert_eq!((sum.missed, outages(&signals)), (0, Some(0)), "{signals:?}");
    }
    daemon.signal("TERM");
    assert!(daemon.ended().success(), "{}", daemon.heard());
    network.stop().await;
}

/// For good, as far as a connection is concerned, and long enough for the next ones to fail.
pub async fn are_dropped_until_it_is_noticed() {
    let space = Namespace::new(7);
    let (mut network, _house, mut daemon, traffic) = at_a_wire(&space).await;
    space.drop_packets();
    traffic.stops("packets dropped", FOUND).await;
    sleep(Duration::from_secs(8)).await;
    space.pass();
    let took = traffic.flows("packets dropped for long", BOUND).await;
    eprintln!(
        "packets dropped for some 35 s: back {:.1} s after it",
        took.as_secs_f64()
    );
    for (sum, signals) in traffic.end("packets dropped").await {
        assert_eq!(outages(&signals), Some(1), "{signals:?}");
        assert!(sum.missed > 0, "{sum:?}");
    }
    daemon.signal("TERM");
    assert!(daemon.ended().success(), "{}", daemon.heard());
    network.stop().await;
}
