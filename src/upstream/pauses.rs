//! Pauses between tries. They end early if the host's network has come up since the last try began:
//! the next one may work. Hosts that come up together (after a power cut, or with their switch)
//! spread their tries over a second.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::backoff::jittered;
use crate::host_network::HostNetwork;

/// Time over which early ends of pauses are spread.
pub const SPREAD: Duration = Duration::from_secs(1);

/// Shortest time between two early ends: interfaces of containers come and go all day on some
/// hosts.
const EVERY: Duration = Duration::from_secs(5);

/// Pauses of one task between its tries.
#[derive(Clone, Debug)]
pub struct Pauses {
    network: HostNetwork,
    /// Changes of the network as of the beginning of the last try.
    seen: u64,
    /// Early end of the present pause.
    early: Option<Instant>,
    ended_early: Option<Instant>,
}

impl Pauses {
    /// Pauses that end early with news of this network.
    #[must_use]
    pub fn new(network: HostNetwork) -> Self {
        Self {
            seen: network.news(),
            network,
            early: None,
            ended_early: None,
        }
    }

    /// Begins a try. A network that comes up from now on ends the pause after it.
    pub fn begin_try(&mut self) {
        self.seen = self.network.news();
        self.early = None;
    }

    /// Waits until `at`, or until the early end. Cancel-safe.
    pub async fn wait_until(&mut self, at: Instant) {
        loop {
            let due = self.early.map_or(at, |early| early.min(at));
            tokio::select! {
                () = sleep_until(due) => {
                    if self.early == Some(due) {
                        self.ended_early = Some(due);
                    }
                    return;
                }
                () = self.network.news_since(self.seen), if self.early.is_none() => {
                    let now = Instant::now();
                    let from = self.ended_early.map_or(now, |last| now.max(last + EVERY));
                    self.early = Some(from + jittered(SPREAD, 1.0));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host_network::watch_host_network;

    const LONG: Duration = Duration::from_secs(3600);

    #[tokio::test(start_paused = true)]
    async fn a_network_that_comes_up_ends_a_pause_within_a_second() {
        let (network, task) = watch_host_network();
        let mut ends = Vec::new();
        for _ in 0..50 {
            let mut pauses = Pauses::new(network.clone());
            pauses.begin_try();
            // During the try already.
            task.report_news();
            let begun = Instant::now();
            pauses.wait_until(begun + LONG).await;
            ends.push(begun.elapsed());
        }
        assert!(ends.iter().all(|end| *end <= SPREAD), "{ends:?}");
        let (first, last) = (ends.iter().min().unwrap(), ends.iter().max().unwrap());
        assert!(
            last.saturating_sub(*first) > SPREAD / 2,
            "not spread: {ends:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_network_that_comes_and_goes_is_not_followed_at_every_turn() {
        let (network, task) = watch_host_network();
        let mut pauses = Pauses::new(network);
        let begun = Instant::now();
        for _ in 0..10 {
            pauses.begin_try();
            task.report_news();
            pauses.wait_until(Instant::now() + LONG).await;
        }
        assert!(begun.elapsed() >= EVERY * 9, "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_without_news_runs_its_time() {
        let (network, task) = watch_host_network();
        task.report_news();
        let mut pauses = Pauses::new(network);
        pauses.begin_try();
        let begun = Instant::now();
        pauses.wait_until(begun + LONG).await;
        assert_eq!(begun.elapsed(), LONG);
    }
}
