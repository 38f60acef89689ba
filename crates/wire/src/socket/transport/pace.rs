//! Pauses between polls of a server whose responses are empty.
//!
//! A long-polling server holds a request until it has a message. Without pauses, one that responds
//! at once without a message would be polled thousands of times a second.

use std::time::Duration;

use tokio::time::Instant;

/// First pause after a response without a message.
const FIRST: Duration = Duration::from_millis(100);

/// Longest pause, and so the longest delay of a message.
const LONGEST: Duration = Duration::from_secs(5);

/// Pause between polls: none after a poll that returned a message; after one that did not, ever
/// longer, counted from the start of that poll. A server that holds polls, as it should, is
/// therefore polled again at once.
#[derive(Debug)]
pub(super) struct Pace {
    pause: Duration,
    longest: Duration,
    asked_at: Instant,
    /// Set if the response to the latest poll held a message.
    message: bool,
}

impl Pace {
    /// `ping_timeout` is the server's limit for silence, which no pause may exceed.
    pub fn new(ping_timeout: Duration) -> Self {
        Self {
            pause: Duration::ZERO,
            longest: (ping_timeout / 4).clamp(FIRST, LONGEST),
            asked_at: Instant::now(),
            message: true,
        }
    }

    /// Records that a packet with a message arrived.
    pub fn message(&mut self) {
        self.message = true;
    }

    /// Instant at which the next poll may be sent.
    pub fn next(&mut self) -> Instant {
        let now = Instant::now();
        let held = now.saturating_duration_since(self.asked_at);
        self.pause = if self.message || held >= self.longest {
            Duration::ZERO
        } else {
            (self.pause * 2).clamp(FIRST, self.longest)
        };
        self.message = false;
        self.asked_at = now.max(self.asked_at + self.pause);
        self.asked_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number of polls in a minute, if each is held for `held` and every `message_every`th returns
    /// a message.
    async fn polls(held: Duration, message_every: Option<u32>) -> u32 {
        let mut pace = Pace::new(Duration::from_secs(20));
        let end = Instant::now() + Duration::from_secs(60);
        let mut polls = 0;
        while Instant::now() < end {
            tokio::time::sleep_until(pace.next()).await;
            tokio::time::sleep(held).await;
            polls += 1;
            if message_every.is_some_and(|every| polls % every == 0) {
                pace.message();
            }
        }
        polls
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_answers_at_once_with_nothing_is_asked_ever_more_rarely() {
        let polls = polls(Duration::from_millis(1), None).await;
        assert!((10..30).contains(&polls), "{polls}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_holds_polls_is_asked_again_at_once() {
        assert_eq!(polls(Duration::from_secs(6), None).await, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn messages_are_fetched_without_a_pause() {
        assert!(polls(Duration::from_millis(10), Some(1)).await >= 5000);
        let mixed = polls(Duration::from_millis(10), Some(2)).await;
        assert!(mixed >= 500, "each nothing costs 100 ms: {mixed}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_impatient_server_misses_no_sign_of_life() {
        let mut pace = Pace::new(Duration::from_secs(1));
        for _ in 0..20 {
            let now = Instant::now();
            let next = pace.next();
            assert!(next - now <= Duration::from_millis(250));
            tokio::time::sleep_until(next).await;
        }
    }
}
