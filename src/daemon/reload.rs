//! Reload of the settings, at `Daemon.Reload` (`systemctl reload expd`) and at SIGHUP.
//!
//! The settings are read and checked as a whole. The previous ones stay in force if there is a
//! mistake, if an instance cannot run as configured, or if the file may be truncated
//! ([`Loaded::check_reload`]). Otherwise the new ones apply: the log level, access rules (names of
//! users and groups are looked up again), limits, apps of the door for pages, and instances with
//! their credentials ([`ConfiguredInstances`](crate::bridge::ConfiguredInstances)). Changed keys
//! that need a restart are named in the log and in the daemon's status.
//!
//! Reloads run one at a time; a request during a reload leads to another one.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::notifications::summary;
use super::open_files::limit_connections;
use super::options::ServeOptions;
use super::reload_requests::{ReloadRequest, ReloadRequests};
use super::running::RunningDaemon;
use crate::access::{AccessPolicy, AccessRule};
use crate::bridge::AppliedInstances;
use crate::config::{ConfigErrors, Loaded, ValueDigests, WebApp, needs_restart};
use crate::journal::JournalEvent;
use crate::logging;
use crate::metrics::DaemonCounters;
use crate::rpc::{self, ReloadAnswer, ReloadHandle};
use crate::systemd::Notifier;
use expd_hub::HubSettings;

/// Maximum number of remembered access rules of earlier settings.
const MAX_KNOWN_RULES: usize = 10_000;

/// Reloads the settings on request.
pub(super) struct Reload {
    requests: ReloadRequests,
    /// The daemon was started at a terminal.
    at_terminal: bool,
    options: ServeOptions,
    /// The embedded network that runs.
    hub: Option<HubSettings>,
    /// Settings that the daemon was started with, and those that were applied last.
    started: ValueDigests,
    applied: ValueDigests,
    /// Access rules in force, and all since there were none.
    known_rules: Vec<AccessRule>,
    policy: watch::Sender<Arc<AccessPolicy>>,
    web_apps: watch::Sender<Arc<[WebApp]>>,
    counters: Arc<DaemonCounters>,
    /// Changes that the last reload deferred to a restart.
    note: watch::Sender<String>,
}

/// The daemon as seen by a reload.
pub(super) struct ReloadedDaemon {
    pub(super) running: RunningDaemon,
    pub(super) socket: PathBuf,
    pub(super) notifier: Arc<Notifier>,
    pub(super) shutdown: CancellationToken,
}

impl Reload {
    /// Prepares reloads. Until the first one, the policy is that of `loaded`.
    pub(super) fn new(requests: ReloadRequests, options: &ServeOptions, loaded: &Loaded) -> Self {
        let settings = &loaded.settings;
        let policy = AccessPolicy::new(&settings.access).with_tokens(&settings.daemon.tokens);
        Self {
            requests,
            at_terminal: io::stderr().is_terminal(),
            options: options.clone(),
            hub: None,
            started: loaded.digests.clone(),
            applied: loaded.digests.clone(),
            known_rules: loaded.settings.access.clone(),
            policy: watch::Sender::new(Arc::new(policy)),
            web_apps: watch::Sender::new(loaded.settings.web.apps.as_slice().into()),
            counters: Arc::new(rpc::daemon_counters()),
            note: watch::Sender::new(String::new()),
        }
    }

    pub(super) fn set_hub(&mut self, hub: &HubSettings) {
        self.hub = Some(hub.clone());
    }

    /// Access policy, replaced at each reload.
    pub(super) fn policy(&self) -> watch::Receiver<Arc<AccessPolicy>> {
        self.policy.subscribe()
    }

    /// Apps whose pages may log in, replaced at each reload that changes them.
    pub(super) fn web_apps(&self) -> watch::Receiver<Arc<[WebApp]>> {
        self.web_apps.subscribe()
    }

    pub(super) fn counters(&self) -> Arc<DaemonCounters> {
        self.counters.clone()
    }

    /// Changes that the last reload deferred to a restart, for the status; empty if none.
    pub(super) fn note(&self) -> watch::Receiver<String> {
        self.note.subscribe()
    }

    /// Handle for requests by a call.
    pub(super) fn handle(&self) -> ReloadHandle {
        self.requests.handle()
    }

    /// Reloads at each request.
    pub(super) async fn run(mut self, daemon: ReloadedDaemon) {
        let ReloadedDaemon {
            mut running,
            socket,
            notifier,
            shutdown,
        } = daemon;
        while let Some(request) = self.requests.next().await {
            // SIGHUP from a closed terminal ends the daemon instead.
            let is_signal = matches!(request, ReloadRequest::Signal);
            if is_signal && self.at_terminal && !io::stderr().is_terminal() {
                shutdown.cancel();
                return;
            }
            notifier.reloading();
            let answer = self.reload(&mut running).await;
            self.counters.count_reload(answer.is_ok());
            let note = match &answer {
                Ok(keys) if keys.is_empty() => String::new(),
                Ok(keys) => format!("needs a restart: {}", keys.join(", ")),
                Err(mistakes) => {
                    let first = mistakes.first().map_or("see the log", String::as_str);
                    format!("the last reload was refused: {first}")
                }
            };
            notifier.ready(&summary(&socket, &running.bridges, &note));
            self.note.send_replace(note);
            request.answer(answer);
        }
    }

    /// Reads and applies the settings. Returns the changed keys that need a restart, or the
    /// mistakes for which the previous settings stay in force.
    async fn reload(&mut self, running: &mut RunningDaemon) -> ReloadAnswer {
        let (options, hub) = (self.options.clone(), self.hub.clone());
        let known_rules = self.known_rules.clone();
        // Blocking: reads files and queries the name service.
        let read = tokio::task::spawn_blocking(move || {
            let loaded = options.read_again(hub.as_ref())?;
            loaded.check_reload(&known_rules)?;
            let settings = &loaded.settings;
            let policy = AccessPolicy::new(&settings.access).with_tokens(&settings.daemon.tokens);
            Ok::<_, ConfigErrors>((loaded, policy))
        });
        let (mut loaded, policy) = match read.await {
            Ok(Ok(read)) => read,
            Ok(Err(errors)) => {
                for mistake in errors.mistakes() {
                    log::error!(event = JournalEvent::SettingsRefused; "{mistake}");
                }
                log::error!(
                    "reload refused: the settings have mistakes; the previous ones stay in force"
                );
                let mistakes = errors.mistakes().iter().map(ToString::to_string);
                return Err(Arc::new(mistakes.collect()));
            }
            Err(error) => {
                let reason = format!("cannot read the settings: {error}");
                log::error!(
                    event = JournalEvent::SettingsRefused;
                    "reload refused: {reason}; the previous settings stay in force"
                );
                return Err(Arc::new(vec![reason]));
            }
        };
        let has_other_file = |name: &str| {
            let key = format!("instances.{name}.ca_file");
            self.applied.differs_at(&loaded.digests, &key)
        };
        limit_connections(&mut loaded.settings.daemon.limits, self.hub.is_some());
        let prepared = running.prepare(&loaded.settings, has_other_file).await;
        match prepared {
            Ok(prepared) => {
                // Rules first, so that no caller reaches a new instance that they deny.
                self.policy.send_replace(Arc::new(policy));
                let instances = running.apply(prepared).await;
                Ok(self.apply(loaded, &instances))
            }
            Err(error) => {
                log::error!(
                    event = JournalEvent::SettingsRefused;
                    "reload refused: {error}; the previous settings stay in force"
                );
                Err(Arc::new(vec![error.to_string()]))
            }
        }
    }

    /// Applies all settings that are not part of [`RunningDaemon`]. Returns the changed keys that
    /// need a restart.
    fn apply(&mut self, loaded: Loaded, instances: &AppliedInstances) -> Vec<String> {
        let changed = self.started.changed(&loaded.digests);
        self.applied = loaded.digests;
        let (settings, warnings) = (loaded.settings, loaded.warnings);
        let now = settings.access.clone();
        let level = settings.daemon.log;
        let apps: Arc<[WebApp]> = settings.web.apps.as_slice().into();
        // Its secrets are wiped before the reload is reported as done.
        drop(settings);
        let rules = now.len();
        self.web_apps.send_if_modified(|before| {
            let changed = *before != apps;
            *before = apps;
            changed
        });
        self.remember_rules(now);
        logging::set_level(level);
        for warning in &warnings {
            log::warn!(event = JournalEvent::SettingsWarning; "{warning}");
        }
        log::info!(
            event = JournalEvent::SettingsApplied,
            access_rules = rules;
            "settings reloaded{}", in_words(instances)
        );
        let pending = pending(&changed, self.options.embedded);
        if !pending.is_empty() {
            log::warn!(
                event = JournalEvent::RestartNeeded;
                "changed settings need a restart (systemctl restart expd): {}",
                pending.join(", ")
            );
        }
        pending.into_iter().map(str::to_owned).collect()
    }

    /// Remembers the rules in force, and earlier ones.
    fn remember_rules(&mut self, now: Vec<AccessRule>) {
        let rules = now.len();
        if rules == 0 {
            self.known_rules.clear();
        }
        self.known_rules.retain(|rule| !now.contains(rule));
        self.known_rules.extend(now);
        // Drops the oldest first.
        let surplus = self
            .known_rules
            .len()
            .saturating_sub(MAX_KNOWN_RULES.max(rules));
        self.known_rules.drain(..surplus);
    }
}

/// Text about the changed instances; empty if none.
fn in_words(instances: &AppliedInstances) -> String {
    let AppliedInstances {
        added,
        replaced,
        changed,
        removed,
    } = instances;
    let mut words = String::new();
    for (names, what) in [
        (added, "added"),
        (changed, "changed, logging in again"),
        (replaced, "replaced"),
        (removed, "removed"),
    ] {
        if !names.is_empty() {
            words = format!("{words}; instances {what}: {}", names.join(", "));
        }
    }
    words
}

/// Changed keys that need a restart.
fn pending(changed: &[String], embedded: bool) -> Vec<&str> {
    // Keys of an embedded network that does not run.
    let unused = |key: &str| key.starts_with("hub.") && !embedded;
    let keys = changed.iter().map(String::as_str);
    keys.filter(|key| needs_restart(key) && !unused(key))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_apply_at_once_need_no_restart() {
        let changed = [
            "access[0].allow",
            "access",
            "daemon.log",
            "daemon.access",
            "daemon.metrics",
            "daemon.limits.log_age",
            "instances.default.host",
            "hub.listen",
        ]
        .map(str::to_owned);
        assert_eq!(pending(&changed, false), ["daemon.metrics"]);
        assert_eq!(pending(&changed, true), ["daemon.metrics", "hub.listen"]);
    }

    #[test]
    fn what_became_of_the_instances_is_told_in_words() {
        let mut applied = AppliedInstances::default();
        assert_eq!(in_words(&applied), "");
        applied.added = vec!["a".to_owned(), "b".to_owned()];
        applied.removed = vec!["c".to_owned()];
        assert_eq!(
            in_words(&applied),
            "; instances added: a, b; instances removed: c"
        );
    }
}
