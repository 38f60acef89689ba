//! Faults on the way to the network: after each the daemon is back by itself within a bound, its
//! streams stayed open, and what was lost was told.

use std::time::Duration;

use expd::config::ProtocolChoice;

use crate::proxy::{Mode, Proxy};
use crate::tls::Door;
use expd_test_support::DEADLINE;
use expd_test_support::daemon::Daemon;
use expd_test_support::network::Network;
use expd_test_support::traffic::{Traffic, outages};

/// A fault, its duration, and the time within which all is well again.
struct Case {
    fault: Mode,
    lasts: Duration,
    /// From the end of the fault.
    bound: Duration,
    /// True if the fault breaks the connection.
    breaks: bool,
    protocol: ProtocolChoice,
    tls: bool,
}

/// A fault that breaks the connection.
fn case(fault: Mode, lasts: u64, bound: u64) -> Case {
    Case {
        fault,
        lasts: Duration::from_secs(lasts),
        bound: Duration::from_secs(bound),
        breaks: true,
        protocol: ProtocolChoice::V4,
        tls: false,
    }
}

impl Case {
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

impl Case {
    /// The connection outlives the fault.
    fn passes(self) -> Self {
        Self {
            breaks: false,
            ..self
        }
    }

    fn in_generation_3(self) -> Self {
        Self {
            protocol: ProtocolChoice::V3,
            ..self
        }
    }

    fn within_tls(self) -> Self {
        Self { tls: true, ..self }
    }
}

/// One test a fault: for how many seconds it lasts, and how many it may take until all is well
/// again.
macro_rules! faults {
    ($($name:ident: $case:expr;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            $case.run().await;
        }
    )*};
}

// Silence is found by the probe, after 30 s at the latest. Slow sends some 12 kB a second, so that
// the connection falls ever further behind. A credential that was taken before is tried again after
// 5 to 10 s. Within TLS, `Cut` ends the connection in the middle of a record, `End` between two,
// without close_notify, and `EndGreeted` right after the handshake.
faults! {
    a_reset: case(Mode::Reset, 0, 8);
    resets_for_a_while: case(Mode::Reset, 8, 15);
    refused_connections: case(Mode::Refuse, 8, 15);
    silence: case(Mode::Silence, 1, 36);
    silence_in_generation_3: case(Mode::Silence, 1, 36).in_generation_3();
    a_short_stall: case(Mode::Stall, 6, 10).passes();
    a_long_stall: case(Mode::Stall, 40, 20);
    a_slow_connection: case(Mode::Slow(1000), 40, 30);
    a_cut: case(Mode::Cut, 1, 10);
    a_cut_in_generation_3: case(Mode::Cut, 1, 10).in_generation_3();
    garbage: case(Mode::Garbage, 1, 10);
    an_oversized_message: case(Mode::Oversized, 1, 10);
    internal_errors: case(Mode::Http(500, 0), 6, 15);
    a_bad_gateway: case(Mode::Http(502, 0), 6, 15);
    an_unavailable_service: case(Mode::Http(503, 3), 6, 20);
    too_many_requests: case(Mode::Http(429, 3), 6, 20);
    late_answers: case(Mode::Late(5000), 8, 10).passes();
    a_refused_credential: case(Mode::Http(401, 0), 2, 20);
    an_orderly_end: case(Mode::End, 3, 10);
    a_cut_within_tls: case(Mode::Cut, 1, 10).within_tls();
    a_cut_in_generation_3_within_tls: case(Mode::Cut, 1, 10).in_generation_3().within_tls();
    an_end_within_tls: case(Mode::End, 3, 10).within_tls();
    an_end_after_the_handshake_of_tls: case(Mode::EndGreeted, 6, 15).within_tls();
    garbage_within_tls: case(Mode::Garbage, 1, 10).within_tls();
    silence_within_tls: case(Mode::Silence, 1, 36).within_tls();
    a_short_stall_within_tls: case(Mode::Stall, 6, 10).passes().within_tls();
}
