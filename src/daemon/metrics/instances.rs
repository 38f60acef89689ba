//! The metric families of the configured instances. Each sample has the label `exp_instance`:
//! Prometheus itself uses `instance`, for the target that it scrapes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::exposition::{Exposition, MetricKind, seconds};
use crate::bridge::{Bridge, Bridges};
use crate::metrics::{Counter, Counters};
use crate::router::{ChannelSnapshot, InstanceId, InstanceSnapshot};
use expd_domain::LinkState;

type MeasuredInstance<'a> = (&'a Bridge, &'a InstanceSnapshot);

/// A counter of an instance: name, help, and source.
type CounterFamily = (&'static str, &'static str, fn(&Counters) -> &Counter);

const COUNTERS: [CounterFamily; 11] = [
    (
        "expd_connects_total",
        "Times the live socket opened.",
        |c| &c.connects,
    ),
    (
        "expd_disconnects_total",
        "Times the live socket was lost.",
        |c| &c.disconnects,
    ),
    ("expd_logins_total", "Login requests sent.", |c| &c.logins),
    ("expd_refreshes_total", "Token refreshes sent.", |c| {
        &c.refreshes
    }),
    (
        "expd_broadcasts_received_total",
        "Broadcasts received over the live socket, duplicates included.",
        |c| &c.broadcasts_received,
    ),
    (
        "expd_duplicates_total",
        "Broadcasts received before, and not delivered again.",
        |c| &c.duplicates,
    ),
    (
        "expd_broadcasts_sent_total",
        "Broadcast calls carried out.",
        |c| &c.broadcasts_sent,
    ),
    (
        "expd_broadcasts_failed_total",
        "Broadcast calls that ended in an error.",
        |c| &c.broadcasts_failed,
    ),
    (
        "expd_responses_sent_total",
        "Respond calls carried out.",
        |c| &c.responses_sent,
    ),
    (
        "expd_responses_failed_total",
        "Respond calls that ended in an error.",
        |c| &c.responses_failed,
    ),
    (
        "expd_unexpected_messages_total",
        "Messages on the live socket that were malformed or not asked for.",
        |c| &c.unexpected_messages,
    ),
];

/// A value computed from an instance's channels and listeners: name, kind, help, and source.
type ComputedFamily = (
    &'static str,
    MetricKind,
    &'static str,
    fn(&InstanceSnapshot) -> u64,
);

const COMPUTED: [ComputedFamily; 10] = [
    (
        "expd_deliveries_total",
        MetricKind::Counter,
        "Broadcasts delivered, summed over listeners.",
        |s| s.totals.deliveries,
    ),
    (
        "expd_channels",
        MetricKind::Gauge,
        "Channels that are wanted: listened to, or unused for less than log_age.",
        |s| s.channels.len() as u64,
    ),
    (
        "expd_channels_asked",
        MetricKind::Gauge,
        "Wanted channels that were asked for on the present connection.",
        |s| channels(s, |c| c.asked_at.is_some()),
    ),
    (
        "expd_channels_confirmed",
        MetricKind::Gauge,
        "Wanted channels that EXP has confirmed on the present connection.",
        |s| channels(s, |c| c.confirmed_at.is_some()),
    ),
    (
        "expd_channels_heard",
        MetricKind::Gauge,
        "Wanted channels on which a broadcast has come.",
        |s| channels(s, |c| c.last_broadcast_at.is_some()),
    ),
    (
        "expd_listeners",
        MetricKind::Gauge,
        "Open listeners.",
        |s| s.listeners.len() as u64,
    ),
    (
        "expd_listener_behind_events",
        MetricKind::Gauge,
        "Events that the slowest listener has yet to receive.",
        |s| {
            let behind = s.listeners.iter().map(|info| info.behind());
            behind.max().unwrap_or(0)
        },
    ),
    (
        "expd_listener_missed_events",
        MetricKind::Gauge,
        "Missed events that gaps reported to the open listeners.",
        |s| s.listeners.iter().map(|c| c.missed.load(Relaxed)).sum(),
    ),
    (
        "expd_log_events",
        MetricKind::Gauge,
        "Events held in the channel logs.",
        |s| s.channels.iter().map(|c| c.log_events as u64).sum(),
    ),
    (
        "expd_log_bytes",
        MetricKind::Gauge,
        "Bytes held in the channel logs.",
        |s| s.channels.iter().map(|c| c.log_bytes as u64).sum(),
    ),
];

fn channels(snapshot: &InstanceSnapshot, is_so: fn(&ChannelSnapshot) -> bool) -> u64 {
    snapshot.channels.iter().filter(|c| is_so(c)).count() as u64
}

/// Adds the families of all configured instances.
pub(super) fn add(
    text: &mut Exposition,
    bridges: &Bridges,
    snapshots: &HashMap<InstanceId, InstanceSnapshot>,
) {
    let none = InstanceSnapshot::default();
    let bridges: Vec<Arc<Bridge>> = bridges.iter().collect();
    let all: Vec<MeasuredInstance<'_>> = bridges
        .iter()
        .map(|b| (&**b, snapshots.get(&b.instance).unwrap_or(&none)))
        .collect();
    add_links(text, &all);
    for (name, help, counter) in COUNTERS {
        let mut family = text.family(name, MetricKind::Counter, help);
        for (bridge, _) in &all {
            family.sample(&[of(bridge)], counter(&bridge.counters).get());
        }
    }
    for (name, kind, help, sum) in COMPUTED {
        let mut family = text.family(name, kind, help);
        for (bridge, snapshot) in &all {
            family.sample(&[of(bridge)], sum(snapshot));
        }
    }
    let mut family = text.family(
        "expd_gaps_total",
        MetricKind::Counter,
        "Gaps reported to listeners, by reason.",
    );
    for (bridge, snapshot) in &all {
        for (reason, count) in snapshot.totals.gaps.counts() {
            family.sample(&[of(bridge), ("reason", reason.as_str())], count);
        }
    }
    let mut family = text.family(
        "expd_last_broadcast_timestamp_seconds",
        MetricKind::Gauge,
        "Arrival of the last broadcast, in seconds since the epoch; absent before the first.",
    );
    for (bridge, _) in &all {
        if let Some(at) = bridge.counters.last_broadcast.get() {
            family.sample(&[of(bridge)], seconds(at.date()));
        }
    }
    let mut family = text.family(
        "expd_waiting_broadcasts",
        MetricKind::Gauge,
        "Broadcasts that wait for the connection.",
    );
    for (bridge, _) in &all {
        family.sample(&[of(bridge)], bridge.waiting_broadcasts());
    }
    let mut family = text.family(
        "expd_unsaved_credentials",
        MetricKind::Gauge,
        "1 while the credentials of a pairing are not stored, and a restart would lose them.",
    );
    for (bridge, _) in &all {
        let is_unsaved = bridge.session.unsaved().borrow().is_some();
        family.sample(&[of(bridge)], u8::from(is_unsaved));
    }
}

fn add_links(text: &mut Exposition, all: &[MeasuredInstance<'_>]) {
    let mut family = text.family(
        "expd_link_state",
        MetricKind::Gauge,
        "1 for the present state of the link, 0 for the others.",
    );
    for (bridge, _) in all {
        let now = bridge.link.borrow().state;
        for state in LinkState::ALL {
            let labels = [of(bridge), ("state", state.as_str())];
            family.sample(&labels, u8::from(state == now));
        }
    }
    let mut family = text.family(
        "expd_link_changes_total",
        MetricKind::Counter,
        "Changes of the link's state, by the state that it entered and the cause.",
    );
    for (bridge, _) in all {
        for (state, cause, count) in bridge.counters.link_changes.counts() {
            let labels = [
                of(bridge),
                ("state", state.as_str()),
                ("cause", cause.as_str()),
            ];
            family.sample(&labels, count);
        }
    }
    let mut family = text.family(
        "expd_link_state_since_timestamp_seconds",
        MetricKind::Gauge,
        "Beginning of the present state of the link, in seconds since the epoch.",
    );
    for (bridge, _) in all {
        let since = seconds(bridge.link.borrow().since.date());
        family.sample(&[of(bridge)], since);
    }
    let mut family = text.family(
        "expd_link_attempts",
        MetricKind::Gauge,
        "Failed tries since the link was last up; 0 while it is up.",
    );
    for (bridge, _) in all {
        let attempt = bridge.link.borrow().attempt;
        family.sample(&[of(bridge)], attempt);
    }
    let mut family = text.family(
        "expd_token_expiry_timestamp_seconds",
        MetricKind::Gauge,
        "Expiry of the session's token, in seconds since the epoch; absent without a session.",
    );
    for (bridge, _) in all {
        if let Some(ends) = bridge.token_expires_at() {
            family.sample(&[of(bridge)], seconds(ends));
        }
    }
}

fn of(bridge: &Bridge) -> (&'static str, &str) {
    ("exp_instance", &bridge.name)
}
