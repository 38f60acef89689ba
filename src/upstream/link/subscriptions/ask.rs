//! One channel as the server was asked for it.

use std::time::Duration;

use tokio::time::Instant;

use crate::router::Moment;
use expd_domain::ChannelId;

/// The requests for one channel.
#[derive(Debug)]
pub(super) struct Ask {
    pub ids: Vec<ChannelId>,
    pub asked_at: Instant,
    pub times: u32,
    /// Time of the oldest unanswered request.
    pub unanswered_since: Option<Moment>,
    /// IDs that were sent and have not come back in an answer.
    pub outstanding: usize,
    /// Time of sending of the latest request that was answered.
    pub verified_at: Option<Moment>,
    /// Instant of the confirmation that ended the latest time without one.
    pub confirmed_at: Option<Instant>,
    /// True where the latest request was for a channel that was confirmed already.
    pub reasked: bool,
    pub in_probe_queue: bool,
    /// Number of IDs that the server has refused since the latest request.
    pub refused_ids: usize,
    pub standing: Standing,
}

/// Demand for a channel, and the server's view of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Somebody wants it.
    Wanted,
    /// Somebody wants it, and the server has refused all of its IDs.
    Refused,
    /// Nobody wants it any more. Kept only while the answer to a probe or a fence is due.
    Abandoned,
}

impl Ask {
    /// A channel that was not asked for yet. `stale_since` is set where an answer to an earlier
    /// request for it may still come.
    pub fn new(ids: Vec<ChannelId>, now: Moment, stale_since: Option<Moment>) -> Self {
        Self {
            ids,
            asked_at: Instant::from_std(now.at),
            times: 0,
            unanswered_since: stale_since,
            outstanding: 0,
            verified_at: None,
            confirmed_at: None,
            reasked: false,
            in_probe_queue: false,
            refused_ids: 0,
            standing: Standing::Wanted,
        }
    }

    pub fn refused(&self) -> bool {
        self.standing == Standing::Refused
    }

    pub fn abandoned(&self) -> bool {
        self.standing == Standing::Abandoned
    }

    pub fn send(&mut self, now: Moment) {
        self.asked_at = Instant::from_std(now.at);
        self.times = self.times.saturating_add(1);
        self.unanswered_since.get_or_insert(now);
        self.outstanding += self.ids.len();
        self.refused_ids = 0;
    }

    pub fn due(&self, (first, slowest): (Duration, Duration)) -> Instant {
        let doublings = self.times.saturating_sub(1).min(8);
        self.asked_at + first.saturating_mul(1 << doublings).min(slowest)
    }
}
