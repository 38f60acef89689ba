//! Log records of gaps: one for an outage, for all channels that are confirmed together, and one
//! for a slow listener, with its program.

use std::sync::Arc;

use crate::journal::JournalEvent;
use crate::moment::Moment;
use expd_domain::{Channel, GapReason, Quoted};

/// Outages that are ended by confirmations.
#[derive(Default)]
pub(super) struct ConfirmedGaps {
    channels: usize,
    /// The first of them.
    first: Option<Arc<Channel>>,
    since: Option<Moment>,
}

impl ConfirmedGaps {
    /// Adds a confirmed channel, and the start of its outage if it had one.
    pub fn add(&mut self, channel: &Arc<Channel>, outage: Option<Moment>) {
        let Some(outage) = outage else {
            return;
        };
        self.channels += 1;
        self.first.get_or_insert_with(|| channel.clone());
        self.since = Some(self.since.map_or(outage, |since| since.min(outage)));
    }

    pub fn log(self, instance: &str, now: Moment) {
        let (Some(first), Some(since)) = (self.first, self.since) else {
            return;
        };
        let seconds = now.boot.since(since.boot).as_secs_f64();
        let what = match self.channels {
            1 => format!("channel {}", Quoted(&first.name)),
            more => format!("{more} channels"),
        };
        log::warn!(
            event = JournalEvent::Gap,
            instance = instance,
            channel = if self.channels == 1 { &first.name } else { "" },
            channels = self.channels,
            reason = GapReason::Offline.as_str();
            "broadcasts on {what} may have been missed in the last {seconds:.1} s: there was no confirmed subscription"
        );
    }
}

/// A listener, as the journal names it.
pub(super) struct SlowListener<'a> {
    pub instance: &'a str,
    pub channel: &'a str,
    /// Process and user.
    pub peer: Option<(u32, u32)>,
}

/// Logs the events that a listener missed through its own fault.
#[cold]
pub(super) fn log_slow(slow: &SlowListener<'_>, reason: GapReason, missed: u64, is_ended: bool) {
    let SlowListener {
        instance,
        channel,
        peer,
    } = *slow;
    let count = if missed == 0 {
        "broadcasts".to_owned()
    } else {
        format!("{missed} broadcasts")
    };
    let (why, then) = match (reason, is_ended) {
        (GapReason::Expired, _) => ("they were older than its max_age or than the log keeps", ""),
        (_, false) => ("it reads more slowly than they arrive", ""),
        (_, true) => (
            "it reads more slowly than they arrive",
            "; its stream ends, as requested",
        ),
    };
    log::warn!(
        event = JournalEvent::Gap,
        instance = instance,
        channel = channel,
        peer_pid = peer.map_or_else(String::new, |(pid, _)| pid.to_string()),
        peer_uid = peer.map_or_else(String::new, |(_, uid)| uid.to_string()),
        reason = reason.as_str(),
        missed = missed;
        "a listener on channel {} missed {count}: {why}{then}", Quoted(channel)
    );
}
