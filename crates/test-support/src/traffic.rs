//! Listeners on a few channels and somebody who broadcasts on them all the while, from before a
//! fault until after it.

use std::time::{Duration, SystemTime};

use expd_client::{Client, SubscriptionState};
use expd_domain::Channel;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::DEADLINE;
use crate::judge::{Book, Life, Sum, judge};
use crate::network::Sender;
use crate::transcript::{Transcript, numbers, signals, state, to};

const CHANNELS: [&str; 3] = ["a", "b", "c"];

/// Pause between two broadcasts on a channel.
const BEAT: Duration = Duration::from_millis(50);

pub struct Traffic {
    pub ears: Vec<(Transcript, Book)>,
    stop: CancellationToken,
    senders: JoinSet<()>,
}

impl Traffic {
    /// Begins once everything is confirmed.
    pub async fn start(client: &Client, sender: &Sender) -> Self {
        let mut ears = Vec::new();
        for name in CHANNELS {
            let ear = Transcript::open(client, &to(name)).await;
            ear.until_confirmed().await;
            ears.push((ear, Book::default()));
        }
        let stop = CancellationToken::new();
        let mut senders = JoinSet::new();
        for (name, (_, book)) in CHANNELS.iter().zip(&ears) {
            let (sender, book, stop) = (sender.clone(), book.clone(), stop.clone());
            senders.spawn(async move {
                while !stop.is_cancelled() {
                    book.send(&sender, &Channel::new(*name), "tick").await;
                    tokio::time::sleep(BEAT).await;
                }
            });
        }
        Self {
            ears,
            stop,
            senders,
        }
    }

    /// Waits until every channel is confirmed and brings what is sent from now on. Says how long
    /// that took.
    pub async fn flows(&self, after: &str, within: Duration) -> Duration {
        let from = Instant::now();
        for (ear, book) in &self.ears {
            let mark = book.sent().len() as u64;
            let left = within.saturating_sub(from.elapsed());
            ear.until(&format!("recovery from {after}"), left, |heard| {
                state(heard) == Some(SubscriptionState::Confirmed)
                    && numbers(heard).last().is_some_and(|last| *last >= mark)
            })
            .await;
        }
        from.elapsed()
    }

    /// Waits until every listener was told that its channel is not confirmed any more.
    pub async fn stops(&self, fault: &str, within: Duration) {
        let from = Instant::now();
        for (ear, _) in &self.ears {
            let left = within.saturating_sub(from.elapsed());
            ear.until(&format!("the news of {fault}"), left, |heard| {
                state(heard) == Some(SubscriptionState::Pending)
            })
            .await;
        }
    }

    /// Outages that each listener was told of.
    pub fn outages_so_far(&self) -> Vec<usize> {
        let told = |(ear, _): &(Transcript, Book)| outages(&signals(&ear.heard())).unwrap();
        self.ears.iter().map(told).collect()
    }

    /// Ends the broadcasts, and asserts that no stream ended and that everything was delivered or
    /// told. Gives for each listener what its stream came to, and the changes and gaps it told.
    pub async fn end(mut self, fault: &str) -> Vec<(Sum, Vec<String>)> {
        self.stop.cancel();
        while let Some(sent) = self.senders.join_next().await {
            sent.unwrap();
        }
        let mut sums = Vec::new();
        for (ear, book) in &self.ears {
            let last = book.sent().len() as u64 - 1;
            ear.until("the last broadcast", DEADLINE, |heard| {
                numbers(heard).last() == Some(&last)
            })
            .await;
            assert_eq!(*ear.ended.lock().unwrap(), None, "{fault}");
            let heard = ear.heard();
            let sum = judge(
                None,
                &[Life::of(&heard)],
                &book.sent(),
                Some(SystemTime::now()),
            )
            .unwrap_or_else(|why| panic!("{fault}: {why}"));
            sums.push((sum, signals(&heard)));
        }
        sums
    }
}

/// Outages that a stream told of, each as it should: pending, the gap, confirmed. `None` where it
/// told something else.
pub fn outages(signals: &[String]) -> Option<usize> {
    let signals: Vec<&str> = signals.iter().map(String::as_str).collect();
    let rest = signals.strip_prefix(&["Pending"]).unwrap_or(&signals);
    let (outages, rest) = rest.strip_prefix(&["Confirmed"])?.as_chunks();
    let told = outages
        .iter()
        .all(|outage| *outage == ["Pending", "Gap Offline", "Confirmed"]);
    (told && rest.is_empty()).then_some(outages.len())
}
