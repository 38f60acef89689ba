//! The host's own network changes: a link comes up, an address is replaced by another.

use std::net::SocketAddr;
use std::time::Duration;

use expd_client::LinkState;
use expd_test_support::network::Network;
use expd_test_support::traffic::{Traffic, outages};
use tokio::time::Instant;

use crate::house::{House, KNOWN};
use crate::namespace::Namespace;

/// A pause that is long enough for its early end to be told from its own.
const LONG_PAUSE: f64 = 6.0;

/// From the change on: a second over which hosts are spread, and what the login and the socket take
/// on a busy machine.
const BOUND: Duration = Duration::from_secs(4);

pub async fn come_up() {
    let space = Namespace::new(4);
    let mut network =
        Network::start_with(|hub| hub.listen = SocketAddr::from((space.host, 0))).await;
    let house = House::new(&network.url(), KNOWN);
    space.link(false);
    let mut daemon = house.start(&space.enter());
    loop {
        let said = daemon.said("trying again in ");
        let seconds = said.split("trying again in ").nth(1).unwrap();
        let seconds = seconds.split(' ').next().unwrap();
        if seconds.parse::<f64>().unwrap() > LONG_PAUSE {
            break;
        }
    }
    let up = Instant::now();
    space.link(true);
    house.link_is(LinkState::Online, BOUND).await;
    eprintln!(
        "a link that comes up: online {:.1} s after it",
        up.elapsed().as_secs_f64()
    );
    daemon.signal("TERM");
    assert!(daemon.ended().success(), "{}", daemon.heard());
    network.stop().await;
}

pub async fn change_their_address() {
    let space = Namespace::new(5);
    let mut network =
        Network::start_with(|hub| hub.listen = SocketAddr::from((space.host, 0))).await;
    let house = House::new(&network.url(), KNOWN);
    let mut daemon = house.start(&space.enter());
    let traffic = Traffic::start(&house.client().await, &network.sender()).await;
    space.change_address();
    let said = daemon.said("this host no longer has the address");
    assert!(said.contains("not connected"), "{said}");
    let took = traffic.flows("another address", BOUND).await;
    eprintln!("another address: back {:.1} s after it", took.as_secs_f64());
    for (_, signals) in traffic.end("another address").await {
        assert_eq!(outages(&signals), Some(1), "{signals:?}");
    }
    daemon.signal("TERM");
    assert!(daemon.ended().success(), "{}", daemon.heard());
    network.stop().await;
}
