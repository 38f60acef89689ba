//! Reload of the settings at SIGHUP (`systemctl reload expd`).
//!
//! The settings are read and checked as a whole: with a mistake among them, with an instance that
//! cannot be as it is configured, or where the file may have been cut and rules with it
//! ([`Loaded::check_reload`]), all stay as they were. Else they apply: the log level, access rules
//! (names of users and groups are looked up again), limits, apps of the door for pages, and
//! instances with their credentials ([`ConfiguredInstances`](crate::bridge::ConfiguredInstances)).
//! The keys that have changed and need a restart are named in the log and in the daemon's status.
//!
//! Reloads follow each other: a signal that comes during one leads to another one.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::signal::unix::Signal;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::notifications::summary;
use super::open_files::limit_connections;
use super::options::ServeOptions;
use super::running::RunningDaemon;
use crate::access::{AccessPolicy, AccessRule};
use crate::bridge::AppliedInstances;
use crate::config::{ConfigErrors, Loaded, ValueDigests, WebApp, needs_restart};
use crate::journal::JournalEvent;
use crate::logging;
use crate::metrics::DaemonCounters;
use crate::rpc;
use crate::systemd::Notifier;
use expd_hub::HubSettings;

/// Status for the service manager after a reload that changed nothing.
const REFUSED: &str = "the last reload was refused, see the log";

/// Number of access rules of earlier settings that are remembered.
const MAX_KNOWN_RULES: usize = 10_000;

/// Reloads the settings at SIGHUP.
pub(super) struct Reload {
    signal: Signal,
    /// The daemon was started at a terminal.
    at_terminal: bool,
    options: ServeOptions,
    /// The embedded network that runs.
    hub: Option<HubSettings>,
    /// Settings that the daemon was started with, and those that were applied last.
    started: ValueDigests,
    applied: ValueDigests,
    /// Access rules that apply, and all that have applied since there were none.
    known_rules: Vec<AccessRule>,
    policy: watch::Sender<Arc<AccessPolicy>>,
    web_apps: watch::Sender<Arc<[WebApp]>>,
    counters: Arc<DaemonCounters>,
    /// Changes that the last reload left to a restart.
    note: watch::Sender<String>,
}

/// The daemon as a reload sees it.
pub(super) struct ReloadedDaemon {
    pub(super) running: RunningDaemon,
    pub(super) socket: PathBuf,
    pub(super) notifier: Arc<Notifier>,
    pub(super) shutdown: CancellationToken,
}

impl Reload {
    /// Reloads at each `signal`. Until the first one, the policy is that of `loaded`.
    pub(super) fn new(signal: Signal, options: &ServeOptions, loaded: &Loaded) -> Self {
        let settings = &loaded.settings;
        let policy = AccessPolicy::new(&settings.access).with_tokens(&settings.daemon.tokens);
        Self {
            signal,
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

    /// Notes the embedded network that runs.
    pub(super) fn set_hub(&mut self, hub: &HubSettings) {
        self.hub = Some(hub.clone());
    }

    /// The access policy, replaced at each reload.
    pub(super) fn policy(&self) -> watch::Receiver<Arc<AccessPolicy>> {
        self.policy.subscribe()
    }

    /// The apps whose pages may log in, replaced at each reload that changes them.
    pub(super) fn web_apps(&self) -> watch::Receiver<Arc<[WebApp]>> {
        self.web_apps.subscribe()
    }

    /// Counters of the daemon as a whole.
    pub(super) fn counters(&self) -> Arc<DaemonCounters> {
        self.counters.clone()
    }

    /// Changes that the last reload left to a restart, for the status; empty where none.
    pub(super) fn note(&self) -> watch::Receiver<String> {
        self.note.subscribe()
    }

    /// Reloads at each signal.
    pub(super) async fn run(mut self, daemon: ReloadedDaemon) {
        let ReloadedDaemon {
            mut running,
            socket,
            notifier,
            shutdown,
        } = daemon;
        while self.signal.recv().await.is_some() {
            // A terminal that closes sends the same signal; nobody is left there to end the daemon.
            if self.at_terminal && !io::stderr().is_terminal() {
                shutdown.cancel();
                return;
            }
            notifier.reloading();
            let note = self.reload(&mut running).await;
            self.counters.count_reload(note.is_ok());
            let note = note.unwrap_or_else(|()| REFUSED.to_owned());
            notifier.ready(&summary(&socket, &running.bridges, &note));
            self.note.send_replace(note);
        }
    }

    /// Reads and applies the settings, and says what is left to be done; an error where they stay
    /// as they were.
    async fn reload(&mut self, running: &mut RunningDaemon) -> Result<String, ()> {
        let (options, hub) = (self.options.clone(), self.hub.clone());
        let known_rules = self.known_rules.clone();
        // Blocks: it reads files and asks the name service.
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
                log::error!("the settings have mistakes, and stay as they were");
                return Err(());
            }
            Err(error) => {
                log::error!(event = JournalEvent::SettingsRefused; "the settings could not be read, and stay as they were: {error}");
                return Err(());
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
                // The rules first: nobody finds an instance that they close to it.
                self.policy.send_replace(Arc::new(policy));
                let instances = running.apply(prepared).await;
                Ok(self.apply(loaded, &instances))
            }
            Err(reason) => {
                log::error!(event = JournalEvent::SettingsRefused; "{reason}; the settings stay as they were");
                Err(())
            }
        }
    }

    /// Applies what the daemon's parts have no share in, and says what is left to be done.
    fn apply(&mut self, loaded: Loaded, instances: &AppliedInstances) -> String {
        let changed = self.started.changed(&loaded.digests);
        self.applied = loaded.digests;
        let (settings, warnings) = (loaded.settings, loaded.warnings);
        let now = settings.access.clone();
        let level = settings.daemon.log;
        let apps: Arc<[WebApp]> = settings.web.apps.as_slice().into();
        // Its secrets are overwritten before anybody is told that the reload is over.
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
            "the settings were read again, and apply{}", in_words(instances)
        );
        let pending = pending(&changed, self.options.embedded).join(", ");
        if pending.is_empty() {
            return String::new();
        }
        log::warn!(
            event = JournalEvent::RestartNeeded;
            "changed settings that apply after a restart (systemctl restart expd): {pending}"
        );
        format!("needs a restart: {pending}")
    }

    /// Remembers the rules that apply now, and those before them.
    fn remember_rules(&mut self, now: Vec<AccessRule>) {
        let rules = now.len();
        if rules == 0 {
            self.known_rules.clear();
        }
        self.known_rules.retain(|rule| !now.contains(rule));
        self.known_rules.extend(now);
        // The oldest go first.
        let surplus = self
            .known_rules
            .len()
            .saturating_sub(MAX_KNOWN_RULES.max(rules));
        self.known_rules.drain(..surplus);
    }
}

/// The instances that changed, for people; empty where none did.
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
        (changed, "changed, and log in anew"),
        (replaced, "replaced"),
        (removed, "removed"),
    ] {
        if !names.is_empty() {
            words = format!("{words}; instances {what}: {}", names.join(", "));
        }
    }
    words
}

/// The changed keys that need a restart.
fn pending(changed: &[String], embedded: bool) -> Vec<&str> {
    // Keys of the embedded network, which does not run.
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
