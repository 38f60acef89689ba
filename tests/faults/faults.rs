//! Faults on the way to the network: after each the daemon is back by itself within a bound, its streams stayed open, and what
//! was lost was told.

use std::time::{Duration, SystemTime};

use expd::client::SubscriptionState;
use expd::config::ProtocolChoice;
use expd::exp::Channel;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::judge::{Book, Life, judge};
use crate::proxy::{Mode, Proxy};
use crate::world::{Daemon, Ear, Network, numbers, signals, state, to};

const CHANNELS: [&str; 3] = ["a", "b", "c"];

/// How long a fault lasts, and how soon after it all is well again.
struct Case {
    fault: Mode,
    lasts: Duration,
    /// From the end of the fault.
    bound: Duration,
    /// Whether the fault breaks the connection.
    breaks: bool,
    protocol: ProtocolChoice,
}

impl Case {
    fn new(fault: Mode, lasts: u64, bound: u64) -> Self {
        Self {
            fault,
            lasts: Duration::from_secs(lasts),
            bound: Duration::from_secs(bound),
            breaks: true,
            protocol: ProtocolChoice::V4,
        }
    }

    async fn run(self) {
        let mut network = Network::start(Duration::from_secs(3600)).await;
        let proxy = Proxy::start(network.address()).await;
        let mut daemon = Daemon::start(proxy.address, self.protocol);
        let client = daemon.client().await;
        let mut ears = Vec::new();
        for name in CHANNELS {
            let ear = Ear::open(&client, &to(name)).await;
            ear.until_confirmed().await;
            ears.push((ear, Book::default()));
        }
        let stop = CancellationToken::new();
        let mut senders = JoinSet::new();
        for (name, (_, book)) in CHANNELS.iter().zip(&ears) {
            let (sender, book, stop) = (network.sender(), book.clone(), stop.clone());
            senders.spawn(async move {
                while !stop.is_cancelled() {
                    book.send(&sender, &Channel::new(*name), "tick").await;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            });
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        proxy.set(self.fault);
        tokio::time::sleep(self.lasts).await;
        let over = Instant::now();
        // Connections that have gone silent stay so; new ones pass.
        proxy.set(Mode::Pass);
        for (ear, book) in &ears {
            let mark = book.sent().len() as u64;
            let left = self.bound.saturating_sub(over.elapsed());
            ear.until(&format!("recovery from {:?}", self.fault), left, |heard| {
                state(heard) == Some(SubscriptionState::Confirmed)
                    && numbers(heard).last().is_some_and(|last| *last >= mark)
            })
            .await;
        }
        let took = over.elapsed();
        stop.cancel();
        while let Some(sent) = senders.join_next().await {
            sent.unwrap();
        }
        for (ear, book) in &ears {
            let last = book.sent().len() as u64 - 1;
            ear.until("the last broadcast", Duration::from_secs(30), |heard| {
                numbers(heard).last() == Some(&last)
            })
            .await;
            assert_eq!(*ear.ended.lock().unwrap(), None, "{:?}", self.fault);
            let heard = ear.heard();
            let sum = judge(
                None,
                &[Life::of(&heard)],
                &book.sent(),
                Some(SystemTime::now()),
            )
            .unwrap_or_else(|why| panic!("{:?}: {why}", self.fault));
            let signals = signals(&heard);
            let told = signals.ends_with(&[
                "Pending".to_owned(),
                "Gap Offline".to_owned(),
                "Confirmed".to_owned(),
            ]);
            assert_eq!(told, self.breaks, "{:?}: {signals:?}", self.fault);
            assert!(self.breaks || sum.missed == 0, "{:?}: {sum:?}", self.fault);
        }
        eprintln!(
            "{:?} for {:?}: back {:.1} s after it",
            self.fault,
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
    ];
    let mut running: JoinSet<()> = cases.into_iter().map(Case::run).collect();
    while let Some(case) = running.join_next().await {
        case.unwrap();
    }
}

/// A refused credential is tried again after one to two minutes.
#[tokio::test]
#[ignore = "takes two minutes"]
async fn a_network_that_refuses_everybody_for_a_moment() {
    Case::new(Mode::Http(401, 0), 2, 150).run().await;
}
