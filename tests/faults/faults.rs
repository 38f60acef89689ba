//! Faults on the way to the network: after each the daemon is back by itself within a bound, its streams stayed open, and what
//! was lost was told.

use std::time::Duration;

use expd::config::ProtocolChoice;
use tokio::task::JoinSet;

use crate::proxy::{Mode, Proxy};
use crate::tls::Door;
use expd_test_support::DEADLINE;
use expd_test_support::daemon::Daemon;
use expd_test_support::network::Network;
use expd_test_support::traffic::{Traffic, outages};

/// How long a fault lasts, and how soon after it all is well again.
struct Case {
    fault: Mode,
    lasts: Duration,
    /// From the end of the fault.
    bound: Duration,
    /// Whether the fault breaks the connection.
    breaks: bool,
    protocol: ProtocolChoice,
    /// Whether the connection is encrypted.
    tls: bool,
}

impl Case {
    fn new(fault: Mode, lasts: u64, bound: u64) -> Self {
        Self {
            fault,
            lasts: Duration::from_secs(lasts),
            bound: Duration::from_secs(bound),
            breaks: true,
            protocol: ProtocolChoice::V4,
            tls: false,
        }
    }

    async fn run(self) {
        let mut network = Network::start(Duration::from_secs(3600)).await;
        let door = if self.tls {
            Some(Door::open(network.address()).await)
        } else {
            None
        };
        let way = door.as_ref().map_or(network.address(), |door| door.address);
        let proxy = Proxy::start(way).await;
        let mut daemon = Daemon::start_with(proxy.address, |settings| {
            let instance = settings.instances.get_mut("default").unwrap();
            instance.protocol = self.protocol;
            if let Some(door) = &door {
                instance.host = format!("https://{}", proxy.address);
                instance.ca_file = Some(door.authority.file());
            }
        });
        let named = if self.tls {
            format!("{:?} within TLS", self.fault)
        } else {
            format!("{:?}", self.fault)
        };
        let traffic = Traffic::start(&daemon.client().await, &network.sender()).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        proxy.set(self.fault);
        if self.lasts.is_zero() {
            // Only until it has struck, which may take a busy machine a moment.
            traffic.stops(&named, DEADLINE).await;
        }
        tokio::time::sleep(self.lasts).await;
        // Connections that have gone silent stay so; new ones pass.
        proxy.set(Mode::Pass);
        let took = traffic.flows(&named, self.bound).await;
        for (sum, signals) in traffic.end(&named).await {
            let told = outages(&signals).map(|told| told > 0);
            assert_eq!(told, Some(self.breaks), "{named}: {signals:?}");
            assert!(self.breaks || sum.missed == 0, "{named}: {sum:?}");
        }
        eprintln!(
            "{named} for {:?}: back {:.1} s after it",
            self.lasts,
            took.as_secs_f64()
        );
        daemon.stop().await;
        network.stop().await;
    }
}

/// All at once: most of the time each waits.
#[tokio::test(flavor = "multi_thread")]
async fn every_fault_is_recovered_from_and_told() {
    let passes = |case: Case| Case {
        breaks: false,
        ..case
    };
    let in_generation_3 = |case: Case| Case {
        protocol: ProtocolChoice::V3,
        ..case
    };
    let within_tls = |case: Case| Case { tls: true, ..case };
    let cases = [
        Case::new(Mode::Reset, 0, 8),
        Case::new(Mode::Reset, 8, 15),
        Case::new(Mode::Refuse, 8, 15),
        // Found by the probe, after 30 s at the latest.
        Case::new(Mode::Silence, 1, 36),
        in_generation_3(Case::new(Mode::Silence, 1, 36)),
        passes(Case::new(Mode::Stall, 6, 10)),
        Case::new(Mode::Stall, 40, 20),
        // Some 12 kB a second are sent, so the connection falls ever further behind.
        Case::new(Mode::Slow(1000), 40, 30),
        Case::new(Mode::Cut, 1, 10),
        in_generation_3(Case::new(Mode::Cut, 1, 10)),
        Case::new(Mode::Garbage, 1, 10),
        Case::new(Mode::Oversized, 1, 10),
        Case::new(Mode::Http(500, 0), 6, 15),
        Case::new(Mode::Http(502, 0), 6, 15),
        Case::new(Mode::Http(503, 3), 6, 20),
        Case::new(Mode::Http(429, 3), 6, 20),
        passes(Case::new(Mode::Late(5000), 8, 10)),
        // A credential that was taken before is tried again after 5 to 10 s.
        Case::new(Mode::Http(401, 0), 2, 20),
        Case::new(Mode::End, 3, 10),
        // In the middle of a record; between two, without close_notify; and right after the handshake.
        within_tls(Case::new(Mode::Cut, 1, 10)),
        within_tls(in_generation_3(Case::new(Mode::Cut, 1, 10))),
        within_tls(Case::new(Mode::End, 3, 10)),
        within_tls(Case::new(Mode::EndGreeted, 6, 15)),
        within_tls(Case::new(Mode::Garbage, 1, 10)),
        within_tls(Case::new(Mode::Silence, 1, 36)),
        within_tls(passes(Case::new(Mode::Stall, 6, 10))),
    ];
    let mut running: JoinSet<()> = cases.into_iter().map(Case::run).collect();
    while let Some(case) = running.join_next().await {
        case.unwrap();
    }
}
