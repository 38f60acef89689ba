//! How long a link waits for what.

use std::time::Duration;

/// The link's times. The defaults are what an instance runs with; tests shorten them.
#[derive(Clone, Debug)]
pub struct LinkTimings {
    /// How long opening a socket may take.
    pub open: Duration,
    /// The bounds of the first wait before the next try and of all, as [`Backoff`](crate::upstream::backoff::Backoff) takes them.
    pub retry: (Duration, Duration),
    /// How often a connection is proved alive end to end, by asking again for channels that are confirmed.
    pub probe_every: Duration,
    /// How long the answer to a probe may take before the connection counts as dead. A peer that answers pings and delivers
    /// nothing is thus found within `probe_every` and this.
    pub probe_answer: Duration,
    /// When an ask that was not confirmed is repeated: after the first, then twice as late each time, up to the second. No ask
    /// is given up.
    pub ask_again: (Duration, Duration),
    /// How long both connections are listened to after the new one has confirmed everything. A network of many servers hands
    /// a broadcast to each a little earlier or later; within this time the old connection still gets what the new one missed.
    pub settle: Duration,
    /// The longest time before a token's end at which the new connection takes over with what it has.
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
