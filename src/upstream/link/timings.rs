//! The times of a link.

use std::time::Duration;

/// Times of a link. The defaults are an instance's; tests shorten them.
#[derive(Clone, Debug)]
pub struct LinkTimings {
    /// Bound on opening a socket.
    pub open: Duration,
    /// Waits between tries: the longest first one and the longest of all, as for
    /// [`Backoff`](crate::upstream::backoff::Backoff).
    pub retry: (Duration, Duration),
    /// Interval at which a connection is probed end to end, by asking again for confirmed channels.
    pub probe_every: Duration,
    /// Time for the answer to a probe before the connection counts as dead. A peer that answers
    /// pings and delivers nothing is detected within `probe_every` and this.
    pub probe_answer: Duration,
    /// Wait before an unconfirmed request is repeated: the first, doubling up to the second. No
    /// request is given up.
    pub ask_again: (Duration, Duration),
    /// Time for which both connections are read after the new one has confirmed everything. In a
    /// network of several servers a broadcast reaches each a little earlier or later; within this
    /// time the old connection still receives what the new one missed.
    pub settle: Duration,
    /// Longest time before a token's end at which the new connection takes over as it is.
    pub take_over_early: Duration,
}

impl Default for LinkTimings {
    fn default() -> Self {
        Self {
            open: Duration::from_secs(15),
            retry: (Duration::from_secs(2), Duration::from_secs(60)),
            probe_every: Duration::from_secs(20),
            probe_answer: Duration::from_secs(10),
            ask_again: (Duration::from_secs(5), Duration::from_secs(60)),
            settle: Duration::from_secs(1),
            take_over_early: Duration::from_secs(10),
        }
    }
}
