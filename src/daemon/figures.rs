//! The figures over HTTP: `GET /metrics` in Prometheus' text format, on the loopback address `daemon.metrics`.
//!
//! Every local program can read them, whatever the access rules say: so they hold numbers and the names of instances, and nothing of
//! channels, callers or payloads. They are taken when they are asked for; nothing is kept for them.

mod door;
mod exposition;
mod process;

use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::DaemonError;
use crate::bridge::{Bridge, Bridges};
use crate::metrics::{Counter, Counters};
use crate::router::{InstanceSnapshot, RouterHandle};
use expd_domain::LinkState;
use exposition::{Exposition, Kind};

/// The format: version 0.0.4 is what every Prometheus reads.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the figures are taken from.
#[derive(Clone)]
pub(super) struct Figures {
    pub(super) bridges: Bridges,
    pub(super) router: RouterHandle,
    pub(super) started_at: SystemTime,
}

/// The door of the figures, bound and not yet serving.
pub(super) struct FiguresDoor {
    listener: TcpListener,
    address: SocketAddr,
}

impl FiguresDoor {
    /// Takes the address.
    ///
    /// # Errors
    /// When it cannot be taken.
    pub(super) async fn bind(address: SocketAddr) -> Result<Self, DaemonError> {
        let bound = door::bind(address).await;
        let (listener, address) =
            bound.map_err(|source| DaemonError::Metrics { address, source })?;
        Ok(Self { listener, address })
    }

    /// Serves until `stop`.
    pub(super) async fn serve(
        self,
        figures: Figures,
        stop: CancellationToken,
    ) -> Result<(), DaemonError> {
        let address = self.address;
        log::info!("metrics at http://{address}/metrics");
        let app = axum::Router::new()
            .route("/metrics", get(page))
            .with_state(figures);
        door::serve(self.listener, app, stop)
            .await
            .map_err(|source| DaemonError::Metrics { address, source })
    }
}

async fn page(State(figures): State<Figures>) -> Response {
    match figures.router.snapshot().await {
        Ok(snapshots) => {
            let headers = [
                (header::CONTENT_TYPE, FORMAT),
                (header::CONNECTION, "close"),
            ];
            (headers, figures.text(&snapshots)).into_response()
        }
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

type One<'a> = (&'a Bridge, &'a InstanceSnapshot);

/// A counter of an instance: name, meaning, and where it is counted.
type Counted = (&'static str, &'static str, fn(&Counters) -> &Counter);

const COUNTED: [Counted; 11] = [
    ("expd_connects_total", "Times the socket came up.", |c| {
        &c.connects
    }),
    (
        "expd_disconnects_total",
        "Times the socket was lost.",
        |c| &c.disconnects,
    ),
    ("expd_logins_total", "Login requests sent.", |c| &c.logins),
    ("expd_refreshes_total", "Token refreshes sent.", |c| {
        &c.refreshes
    }),
    (
        "expd_broadcasts_received_total",
        "Broadcasts that came over the socket, duplicates included.",
        |c| &c.broadcasts_received,
    ),
    (
        "expd_duplicates_total",
        "Broadcasts that had come before.",
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
        "Messages on the socket that could not be understood, or that nobody had asked for.",
        |c| &c.unexpected_messages,
    ),
];

/// A sum over an instance's channels and listeners: name, kind, meaning, and how it is made.
type Summed = (
    &'static str,
    Kind,
    &'static str,
    fn(&InstanceSnapshot) -> u64,
);

const SUMMED: [Summed; 8] = [
    (
        "expd_deliveries_total",
        Kind::Counter,
        "Broadcasts handed to listeners, summed over listeners.",
        |s| s.totals.deliveries,
    ),
    (
        "expd_gaps_total",
        Kind::Counter,
        "Gaps told to listeners.",
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
        "Events that the slowest listener has not been handed yet.",
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

impl Figures {
    fn text(&self, snapshots: &[InstanceSnapshot]) -> String {
        let none = InstanceSnapshot::default();
        let all: Vec<One<'_>> = self
            .bridges
            .iter()
            .map(|b| (&**b, snapshots.get(b.instance.0).unwrap_or(&none)))
            .collect();
        let mut text = Exposition::default();
        self.of_the_process(&mut text);
        of_the_links(&mut text, &all);
        for (name, help, counter) in COUNTED {
            let mut family = text.family(name, Kind::Counter, help);
            for (bridge, _) in &all {
                let labels = [("instance", bridge.name.as_str())];
                family.sample(&labels, counter(&bridge.counters).get());
            }
        }
        for (name, kind, help, sum) in SUMMED {
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
            "Events that the open listeners were told they missed.",
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

    fn of_the_process(&self, text: &mut Exposition) {
        text.family("expd_build_info", Kind::Gauge, "The version, as a label.")
            .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
        let started = seconds(self.started_at);
        text.family(
            "expd_start_time_seconds",
            Kind::Gauge,
            "When the daemon started, in seconds since the epoch.",
        )
        .sample(&[], started);
        let tasks = tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks();
        text.family(
            "expd_tasks",
            Kind::Gauge,
            "Tasks of the daemon's runtime that have not ended.",
        )
        .sample(&[], tasks);
        // What the system does not tell is left out, rather than told as zero.
        if let Some(bytes) = process::resident_bytes() {
            text.family(
                "expd_process_resident_memory_bytes",
                Kind::Gauge,
                "Memory of the daemon's process that is in RAM.",
            )
            .sample(&[], bytes);
        }
        if let Some(count) = process::open_files() {
            text.family(
                "expd_process_open_fds",
                Kind::Gauge,
                "File descriptors that the daemon has open.",
            )
            .sample(&[], count);
        }
    }
}

fn of_the_links(text: &mut Exposition, all: &[One<'_>]) {
    let mut family = text.family(
        "expd_link_state",
        Kind::Gauge,
        "1 for the state that the way to EXP is in, 0 for the others.",
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
        "Since when it is in that state, in seconds since the epoch.",
    );
    for (bridge, _) in all {
        let since = seconds(bridge.link.borrow().since);
        family.sample(&[("instance", bridge.name.as_str())], since);
    }
    let mut family = text.family(
        "expd_link_attempts",
        Kind::Gauge,
        "Tries since the link was last up; 0 while it is up.",
    );
    for (bridge, _) in all {
        let attempt = bridge.link.borrow().attempt;
        family.sample(&[("instance", bridge.name.as_str())], attempt);
    }
    let mut family = text.family(
        "expd_token_expiry_seconds",
        Kind::Gauge,
        "When the session's token ends, in seconds since the epoch; absent without a session.",
    );
    for (bridge, _) in all {
        if let Some(ends) = bridge.token_expires_at() {
            family.sample(&[("instance", bridge.name.as_str())], seconds(ends));
        }
    }
}

/// A time as Prometheus has it, in milliseconds' precision.
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
    fn no_family_is_there_twice() {
        let counted = COUNTED.iter().map(|(name, ..)| *name);
        let mut names: Vec<&str> = counted
            .chain(SUMMED.iter().map(|(name, ..)| *name))
            .collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        for (name, _, _) in COUNTED {
            assert!(name.ends_with("_total"), "{name}");
        }
    }
}
