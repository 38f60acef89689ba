//! Reload of the settings at SIGHUP (`systemctl reload expd`).
//!
//! The settings are read and checked as a whole: with a mistake among them, or where the file may
//! have been cut and rules with it ([`Loaded::check_reload`]), all stay as they were. The log level
//! and the access rules apply at once; names of users and groups in the rules are looked up again.
//! The log names the other keys that have changed: they apply after a restart.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::notifications::summary;
use super::options::ServeOptions;
use crate::access::{AccessPolicy, AccessRule};
use crate::bridge::Bridges;
use crate::config::{ConfigErrors, Loaded, ValueDigests, WebApp};
use crate::journal::JournalEvent;
use crate::logging;
use crate::metrics::DaemonCounters;
use crate::rpc;
use crate::systemd::Notifier;

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
    /// Settings that the daemon was started with.
    running: ValueDigests,
    /// Access rules that apply, and all that have applied since there were none.
    known_rules: Vec<AccessRule>,
    policy: watch::Sender<Arc<AccessPolicy>>,
    web_apps: watch::Sender<Arc<[WebApp]>>,
    counters: Arc<DaemonCounters>,
}

impl Reload {
    /// Catches the signal from now on. Until the first reload, the policy is that of `loaded`.
    ///
    /// # Errors
    /// The signal cannot be caught.
    pub(super) fn new(options: &ServeOptions, loaded: &Loaded) -> io::Result<Self> {
        let policy = AccessPolicy::new(&loaded.settings.access);
        Ok(Self {
            signal: signal(SignalKind::hangup())?,
            at_terminal: io::stderr().is_terminal(),
            options: options.clone(),
            running: loaded.digests.clone(),
            known_rules: loaded.settings.access.clone(),
            policy: watch::Sender::new(Arc::new(policy)),
            web_apps: watch::Sender::new(loaded.settings.web.apps.as_slice().into()),
            counters: Arc::new(rpc::daemon_counters()),
        })
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

    /// Reloads at each signal.
    pub(super) async fn run(
        mut self,
        bridges: Bridges,
        socket: PathBuf,
        notifier: Arc<Notifier>,
        shutdown: CancellationToken,
    ) {
        while self.signal.recv().await.is_some() {
            // A terminal that closes sends the same signal; nobody is left there to end the daemon.
            if self.at_terminal && !io::stderr().is_terminal() {
                shutdown.cancel();
                return;
            }
            notifier.reloading();
            let applied = self.reload().await;
            self.counters.count_reload(applied);
            let summary = summary(&socket, &bridges);
            notifier.ready(&if applied {
                summary
            } else {
                format!("{REFUSED} · {summary}")
            });
        }
    }

    /// Reads and applies the settings; false where they stay as they were.
    async fn reload(&mut self) -> bool {
        let options = self.options.clone();
        let known_rules = self.known_rules.clone();
        // Blocks: it reads files and asks the name service.
        let read = tokio::task::spawn_blocking(move || {
            let loaded = options.read_settings()?;
            loaded.check_reload(&known_rules)?;
            let policy = AccessPolicy::new(&loaded.settings.access);
            Ok::<_, ConfigErrors>((loaded, policy))
        });
        match read.await {
            Ok(Ok((loaded, policy))) => {
                self.apply(loaded, policy);
                return true;
            }
            Ok(Err(errors)) => {
                for mistake in errors.mistakes() {
                    log::error!(event = JournalEvent::SettingsRefused; "{mistake}");
                }
                log::error!("the settings have mistakes, and stay as they were");
            }
            Err(error) => {
                log::error!(event = JournalEvent::SettingsRefused; "the settings could not be read, and stay as they were: {error}");
            }
        }
        false
    }

    fn apply(&mut self, loaded: Loaded, policy: AccessPolicy) {
        let changed = self.running.changed(&loaded.digests);
        let Loaded {
            settings, warnings, ..
        } = loaded;
        let now = settings.access.clone();
        let level = settings.daemon.log;
        let apps: Arc<[WebApp]> = settings.web.apps.as_slice().into();
        // Its secrets are overwritten before anybody is told that the reload is over.
        drop(settings);
        let rules = now.len();
        self.policy.send_replace(Arc::new(policy));
        self.web_apps.send_if_modified(|before| {
            let changed = *before != apps;
            *before = apps;
            changed
        });
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
        logging::set_level(level);
        for warning in &warnings {
            log::warn!(event = JournalEvent::SettingsWarning; "{warning}");
        }
        log::info!(
            event = JournalEvent::SettingsApplied,
            access_rules = rules;
            "the settings were read again: their log level and access rules apply"
        );
        let pending = pending(&changed, self.options.embedded);
        if !pending.is_empty() {
            log::warn!(
                event = JournalEvent::RestartNeeded;
                "changed settings that apply after a restart (systemctl restart expd): {}",
                pending.join(", ")
            );
        }
    }
}

/// The changed keys that need a restart.
fn pending(changed: &[String], embedded: bool) -> Vec<&str> {
    let applied = |key: &str| {
        matches!(key, "daemon.log" | "daemon.access")
            || key.starts_with("access")
            || key.starts_with("web.apps")
    };
    // Keys of the embedded network, which does not run.
    let unused = |key: &str| key.starts_with("hub.") && !embedded;
    let keys = changed.iter().map(String::as_str);
    keys.filter(|key| !applied(key) && !unused(key)).collect()
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
            "hub.listen",
        ]
        .map(str::to_owned);
        assert_eq!(pending(&changed, false), ["daemon.metrics"]);
        assert_eq!(pending(&changed, true), ["daemon.metrics", "hub.listen"]);
    }
}
