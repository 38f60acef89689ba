//! The metric families.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::exposition::{Exposition, Kind};
use super::process;
use crate::bridge::{Bridge, Bridges};
use crate::metrics::{Counter, Counters};
use crate::router::{InstanceSnapshot, RouterError, RouterHandle};
use expd_domain::LinkState;

/// Sources of the metrics.
#[derive(Clone)]
pub(in crate::daemon) struct Metrics {
    pub(in crate::daemon) bridges: Bridges,
    pub(in crate::daemon) router: RouterHandle,
    pub(in crate::daemon) started_at: SystemTime,
}

type Instance<'a> = (&'a Bridge, &'a InstanceSnapshot);

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
    Kind,
    &'static str,
    fn(&InstanceSnapshot) -> u64,
);

const COMPUTED: [ComputedFamily; 8] = [
    (
        "expd_deliveries_total",
        Kind::Counter,
        "Broadcasts delivered, summed over listeners.",
        |s| s.totals.deliveries,
    ),
    (
        "expd_gaps_total",
        Kind::Counter,
        "Gaps reported to listeners.",
        |s| s.totals.gaps,
    ),
    (
        "expd_channels",
        Kind::Gauge,
        "Channels that are subscribed or wanted.",
        |s| s.channels.len() as u64,
    ),
    (
        "expd_channels_confirmed",
        Kind::Gauge,
        "Channels whose subscription EXP has confirmed.",
        |s| {
            s.channels
                .iter()
                .filter(|c| c.confirmed_at.is_some())
                .count() as u64
        },
    ),
    ("expd_listeners", Kind::Gauge, "Open listeners.", |s| {
        s.listeners.len() as u64
    }),
    (
        "expd_listener_behind_events",
        Kind::Gauge,
        "Events that the slowest listener has yet to receive.",
        |s| {
            s.listeners
                .iter()
                .map(|info| info.behind())
                .max()
                .unwrap_or(0)
        },
    ),
    (
        "expd_log_events",
        Kind::Gauge,
        "Events held in the channel logs.",
        |s| s.channels.iter().map(|c| c.log_events as u64).sum(),
    ),
    (
        "expd_log_bytes",
        Kind::Gauge,
        "Bytes held in the channel logs.",
        |s| s.channels.iter().map(|c| c.log_bytes as u64).sum(),
    ),
];

impl Metrics {
    /// Collects the metrics into the text format.
    ///
    /// # Errors
    /// The router does not answer.
    pub(super) async fn collect(&self) -> Result<String, RouterError> {
        let snapshots = self.router.snapshot().await?;
        Ok(self.text(&snapshots))
    }

    fn text(&self, snapshots: &[InstanceSnapshot]) -> String {
        let none = InstanceSnapshot::default();
        let all: Vec<Instance<'_>> = self
            .bridges
            .iter()
            .map(|b| (&**b, snapshots.get(b.instance.0).unwrap_or(&none)))
            .collect();
        let mut text = Exposition::default();
        self.add_process(&mut text);
        add_links(&mut text, &all);
        for (name, help, counter) in COUNTERS {
            let mut family = text.family(name, Kind::Counter, help);
            for (bridge, _) in &all {
                let labels = [("instance", bridge.name.as_str())];
                family.sample(&labels, counter(&bridge.counters).get());
            }
        }
        for (name, kind, help, sum) in COMPUTED {
            let mut family = text.family(name, kind, help);
            for (bridge, snapshot) in &all {
                family.sample(&[("instance", bridge.name.as_str())], sum(snapshot));
            }
        }
        let mut waiting = text.family(
            "expd_waiting_broadcasts",
            Kind::Gauge,
            "Broadcasts that wait for the connection.",
        );
        for (bridge, _) in &all {
            let count = bridge.waiting_broadcasts();
            waiting.sample(&[("instance", bridge.name.as_str())], count);
        }
        let mut missed = text.family(
            "expd_listener_missed_events",
            Kind::Gauge,
            "Missed events that gaps reported to the open listeners.",
        );
        for (bridge, snapshot) in &all {
            let sum: u64 = snapshot
                .listeners
                .iter()
                .map(|c| c.missed.load(Relaxed))
                .sum();
            missed.sample(&[("instance", bridge.name.as_str())], sum);
        }
        text.finish()
    }

    fn add_process(&self, text: &mut Exposition) {
        text.family("expd_build_info", Kind::Gauge, "The version, as a label.")
            .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
        let started = seconds(self.started_at);
        text.family(
            "expd_start_time_seconds",
            Kind::Gauge,
            "Start of the daemon, in seconds since the epoch.",
        )
        .sample(&[], started);
        let tasks = tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks();
        text.family(
            "expd_tasks",
            Kind::Gauge,
            "Running tasks of the daemon's runtime.",
        )
        .sample(&[], tasks);
        // Left out where the system does not tell it, and never reported as zero.
        if let Some(bytes) = process::resident_bytes() {
            text.family(
                "expd_process_resident_memory_bytes",
                Kind::Gauge,
                "Resident memory of the daemon's process.",
            )
            .sample(&[], bytes);
        }
        if let Some(count) = process::open_files() {
            text.family(
                "expd_process_open_fds",
                Kind::Gauge,
                "Open file descriptors of the daemon's process.",
            )
            .sample(&[], count);
        }
    }
}

fn add_links(text: &mut Exposition, all: &[Instance<'_>]) {
    let mut family = text.family(
        "expd_link_state",
        Kind::Gauge,
        "1 for the present state of the link, 0 for the others.",
    );
    for (bridge, _) in all {
        let now = bridge.link.borrow().state;
        for state in LinkState::ALL {
            let labels = [
                ("instance", bridge.name.as_str()),
                ("state", state.as_str()),
            ];
            family.sample(&labels, u8::from(state == now));
        }
    }
    let mut family = text.family(
        "expd_link_state_since_seconds",
        Kind::Gauge,
        "Beginning of the present state of the link, in seconds since the epoch.",
    );
    for (bridge, _) in all {
        let since = seconds(bridge.link.borrow().since);
        family.sample(&[("instance", bridge.name.as_str())], since);
    }
    let mut family = text.family(
        "expd_link_attempts",
        Kind::Gauge,
        "Failed tries since the link was last up; 0 while it is up.",
    );
    for (bridge, _) in all {
        let attempt = bridge.link.borrow().attempt;
        family.sample(&[("instance", bridge.name.as_str())], attempt);
    }
    let mut family = text.family(
        "expd_token_expiry_seconds",
        Kind::Gauge,
        "Expiry of the session's token, in seconds since the epoch; absent without a session.",
    );
    for (bridge, _) in all {
        if let Some(ends) = bridge.token_expires_at() {
            family.sample(&[("instance", bridge.name.as_str())], seconds(ends));
        }
    }
}

/// A time in seconds since the epoch, with the precision of milliseconds.
fn seconds(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    format!("{}.{:03}", since.as_secs(), since.subsec_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_with_milliseconds() {
        let time = UNIX_EPOCH + Duration::from_millis(1_738_324_800_042);
        assert_eq!(seconds(time), "1738324800.042");
        assert_eq!(seconds(UNIX_EPOCH - Duration::from_secs(1)), "0.000");
    }

    #[test]
    fn each_family_has_its_own_name() {
        let counted = COUNTERS.iter().map(|(name, ..)| *name);
        let mut names: Vec<&str> = counted
            .chain(COMPUTED.iter().map(|(name, ..)| *name))
            .collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        for (name, _, _) in COUNTERS {
            assert!(name.ends_with("_total"), "{name}");
        }
    }
}
