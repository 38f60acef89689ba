//! Collection of the metric families of the daemon, its process and its calls.

use std::collections::HashMap;
use std::sync::Arc;

use super::exposition::{Exposition, MetricKind, seconds};
use super::{instances, process, web};
use crate::bridge::Bridges;
use crate::logging;
use crate::metrics::DaemonCounters;
use crate::moment::BootTime;
use crate::pages::Pages;
use crate::router::{InstanceId, InstanceSnapshot, RouterError, RouterHandle};
use crate::shares::LimitHits;
use expd_domain::LinkState;

/// Sources of the metrics.
#[derive(Clone)]
pub(in crate::daemon) struct Metrics {
    pub(in crate::daemon) bridges: Bridges,
    pub(in crate::daemon) router: RouterHandle,
    pub(in crate::daemon) counters: Arc<DaemonCounters>,
    pub(in crate::daemon) limit_hits: LimitHits,
    pub(in crate::daemon) pages: Pages,
    pub(in crate::daemon) started_at: BootTime,
}

impl Metrics {
    /// Collects the metrics into the text format.
    ///
    /// # Errors
    /// The router does not answer.
    pub(super) async fn collect(&self) -> Result<String, RouterError> {
        let snapshots = self.router.snapshot().await?;
        Ok(self.text(&snapshots))
    }

    fn text(&self, snapshots: &HashMap<InstanceId, InstanceSnapshot>) -> String {
        let mut text = Exposition::default();
        self.add_daemon(&mut text);
        self.add_process(&mut text);
        instances::add(&mut text, &self.bridges, snapshots);
        self.add_run_instances(&mut text);
        web::add(&mut text, &self.pages);
        self.add_calls(&mut text);
        self.add_refusals(&mut text);
        text.finish()
    }

    fn add_daemon(&self, text: &mut Exposition) {
        text.family(
            "expd_build_info",
            MetricKind::Gauge,
            "The version, as a label.",
        )
        .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
        let tasks = tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks();
        text.family(
            "expd_tasks",
            MetricKind::Gauge,
            "Running tasks of the daemon's runtime.",
        )
        .sample(&[], tasks);
        text.family(
            "expd_settings_refused",
            MetricKind::Gauge,
            "1 while other settings than those on disk apply, because the last reload was refused.",
        )
        .sample(&[], u8::from(self.counters.settings_refused()));
        let mut reloads = text.family(
            "expd_settings_reloads_total",
            MetricKind::Counter,
            "Reloads of the settings, by their result.",
        );
        let (applied, refused) = (
            &self.counters.reloads_applied,
            &self.counters.reloads_refused,
        );
        reloads.sample(&[("result", "applied")], applied.get());
        reloads.sample(&[("result", "refused")], refused.get());
        text.family(
            "expd_dropped_records_total",
            MetricKind::Counter,
            "Records of the daemon's own log that were dropped because its sink was blocked.",
        )
        .sample(&[], logging::dropped_records());
    }

    /// Adds the process metrics under the names of Prometheus' client libraries. One that the
    /// system does not provide is left out, never reported as zero.
    fn add_process(&self, text: &mut Exposition) {
        let mut gauge = |name, help, value: Option<u64>| {
            if let Some(value) = value {
                text.family(name, MetricKind::Gauge, help)
                    .sample(&[], value);
            }
        };
        gauge(
            "process_resident_memory_bytes",
            "Resident memory.",
            process::resident_bytes(),
        );
        gauge(
            "process_virtual_memory_bytes",
            "Virtual memory.",
            process::virtual_bytes(),
        );
        gauge(
            "process_open_fds",
            "Open file descriptors.",
            process::open_files(),
        );
        gauge(
            "process_max_fds",
            "Largest number of open file descriptors (LimitNOFILE).",
            process::max_files(),
        );
        gauge("process_threads", "Threads.", process::threads());
        text.family(
            "process_cpu_seconds_total",
            MetricKind::Counter,
            "Processor time used, by the program and by the kernel for it.",
        )
        .sample(&[], process::cpu_seconds());
        text.family(
            "process_start_time_seconds",
            MetricKind::Gauge,
            "Start of the daemon, in seconds since the epoch.",
        )
        .sample(&[], seconds(self.started_at.date()));
    }

    /// Adds the instances that programs run, by state: their users choose the names and the number,
    /// which would make labels without bound.
    fn add_run_instances(&self, text: &mut Exposition) {
        let states = self.bridges.transient_states();
        let mut family = text.family(
            "expd_run_instances",
            MetricKind::Gauge,
            "Instances that programs run (RunInstance), by the state of their link.",
        );
        for state in LinkState::ALL {
            let count = states.iter().filter(|it| **it == state).count();
            family.sample(&[("state", state.as_str())], count);
        }
        text.family(
            "expd_run_instances_started_total",
            MetricKind::Counter,
            "Instances that programs have run.",
        )
        .sample(&[], self.bridges.transient_started());
    }

    fn add_calls(&self, text: &mut Exposition) {
        let methods = self.counters.calls.methods();
        let mut family = text.family(
            "expd_calls_total",
            MetricKind::Counter,
            "Calls that have ended, by method and gRPC status; CANCELLED where the client went away.",
        );
        for method in &methods {
            for (status, count) in method.ended() {
                family.sample(&[("method", method.name), ("status", status)], count);
            }
        }
        let mut family = text.family("expd_open_calls", MetricKind::Gauge, "Calls under way.");
        for method in &methods {
            family.sample(&[("method", method.name)], method.open.get());
        }
        let mut family = text.family(
            "expd_call_duration_seconds",
            MetricKind::Histogram,
            "Duration of unary calls, from their headers to the end of the answer.",
        );
        for method in &methods {
            if let Some(duration) = &method.duration {
                let (count, sum) = (duration.count(), duration.sum());
                let labels = [("method", method.name)];
                family.histogram(&labels, &duration.cumulative(), count, sum);
            }
        }
    }

    fn add_refusals(&self, text: &mut Exposition) {
        let mut family = text.family(
            "expd_refused_calls_total",
            MetricKind::Counter,
            "Calls refused by the access rules, by the missing permission and the kind of caller; \
             any: no rule is for the caller; token: none that is known; listener: another user's; \
             path: one that nobody may request; reload: neither root's nor the daemon's user's.",
        );
        for ((permission, caller), count) in self.counters.refused.counts() {
            family.sample(&[("permission", permission), ("caller", caller)], count);
        }
        let mut family = text.family(
            "expd_limit_hits_total",
            MetricKind::Counter,
            "Refusals because a limit was reached, by the limit's key in the settings and the user.",
        );
        for hit in self.limit_hits.by_user() {
            let labels = [("limit", hit.limit.key()), ("user", &hit.user_label())];
            family.sample(&labels, hit.count);
        }
    }
}
