//! The machine sleeps: the process is stopped and goes on later, while the network has given it up.

use std::time::Duration;

use tokio::time::sleep;

use crate::house::{House, KNOWN};
use expd_test_support::network::Network;
use expd_test_support::traffic::{Traffic, outages};

/// From the moment at which it goes on.
const BOUND: Duration = Duration::from_secs(10);

/// A short sleep, within the network's patience.
const NAP: Duration = Duration::from_secs(4);

/// Duration of the long sleep: `EXPD_SUSPEND_SECONDS=120` for minutes.
fn long() -> Duration {
    let seconds = std::env::var("EXPD_SUSPEND_SECONDS").map_or(20, |text| text.parse().unwrap());
    Duration::from_secs(seconds)
}

/// Short pings, and tokens that end in the long sleep: what takes minutes with a real network's.
pub async fn and_resume() {
    let mut network = Network::start_with(|hub| {
        hub.ping_interval = Duration::from_secs(5);
        hub.ping_timeout = Duration::from_secs(8);
        hub.token_ttl = Duration::from_secs(15);
    })
    .await;
    let house = House::new(&format!("http://{}", network.address()), KNOWN);
    let mut daemon = house.start(&[]);
    let traffic = Traffic::start(&house.client().await, &network.sender()).await;

    // Everything waits in the kernel meanwhile; nobody is to notice.
    for (nap, lost) in [(NAP, 0), (long(), 1)] {
        daemon.signal("STOP");
        sleep(nap).await;
        daemon.signal("CONT");
        let took = traffic.flows(&format!("a sleep of {nap:?}"), BOUND).await;
        eprintln!(
            "a sleep of {nap:?}: back {:.1} s after it",
            took.as_secs_f64()
        );
        assert_eq!(traffic.outages_so_far(), [lost; 3], "{nap:?}");
    }
    // A storm of logins would show here.
    let counters = house.counters().await;
    assert!(
        counters.logins <= 4 && counters.connects <= 12,
        "{counters:?}"
    );
    for (sum, signals) in traffic.end("a suspended process").await {
        assert_eq!(outages(&signals), Some(1), "{signals:?}");
        assert!(sum.missed > 0, "{sum:?}");
    }
    daemon.signal("TERM");
    assert!(daemon.ended().success(), "{}", daemon.heard());
    network.stop().await;
}
