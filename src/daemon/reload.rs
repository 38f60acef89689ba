//! Reading the settings again, at SIGHUP (`systemctl reload expd`).
//!
//! The settings are read and checked as a whole: with a mistake among them, or where the file may
//! have been cut and rules with it ([`Loaded::check_reload`]), all stay as they were. What can
//! change without harm is applied: the log's level and the access rules, whose names of users and
//! groups are looked up again, too. Of everything else the log says which keys wait for a restart.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::run::ServeOptions;
use super::welcome::summary;
use crate::access::{AccessPolicy, AccessRule};
use crate::bridge::Bridges;
use crate::config::{self, ConfigErrors, Loaded, Source, Written};
use crate::logging;
use crate::systemd::Notifier;

/// The words in the service manager's status after a reload that changed nothing.
const REFUSED: &str = "the last reload was refused, see the log";

/// Access rules of earlier settings that are remembered.
const MOST_KNOWN: usize = 10_000;

/// Waits for SIGHUP.
pub(super) struct Reload {
    signal: Signal,
    /// Whether the daemon was started at a terminal.
    at_terminal: bool,
    options: ServeOptions,
    /// What the daemon was started with.
    running: Written,
    /// The access rules in force, and those that were since there were none.
    known: Vec<AccessRule>,
    policy: watch::Sender<Arc<AccessPolicy>>,
}

impl Reload {
    /// Catches the signal from now on. The policy is that of `loaded`, until the first reload.
    ///
    /// # Errors
    /// When signals cannot be caught.
    pub(super) fn new(options: &ServeOptions, loaded: &Loaded) -> io::Result<Self> {
        let policy = AccessPolicy::new(&loaded.settings.access);
        Ok(Self {
            signal: signal(SignalKind::hangup())?,
            at_terminal: io::stderr().is_terminal(),
            options: options.clone(),
            running: loaded.written.clone(),
            known: loaded.settings.access.clone(),
            policy: watch::Sender::new(Arc::new(policy)),
        })
    }

    /// The policy, to be watched.
    pub(super) fn policy(&self) -> watch::Receiver<Arc<AccessPolicy>> {
        self.policy.subscribe()
    }

    /// Reloads at each signal, once the daemon serves.
    pub(super) async fn run(
        mut self,
        mut started: watch::Receiver<Option<Bridges>>,
        socket: PathBuf,
        notifier: Arc<Notifier>,
        shutdown: CancellationToken,
    ) {
        let Ok(bridges) = started.wait_for(Option::is_some).await.map(|b| b.clone()) else {
            // The daemon did not start.
            return;
        };
        while self.signal.recv().await.is_some() {
            // The kernel sends the same signal when a terminal closes; nobody would be there then to end the daemon.
            if self.at_terminal && !io::stderr().is_terminal() {
                shutdown.cancel();
                return;
            }
            notifier.reloading();
            let taken = self.reload().await;
            if let Some(bridges) = &bridges {
                let summary = summary(&socket, bridges);
                notifier.ready(&if taken {
                    summary
                } else {
                    format!("{REFUSED} · {summary}")
                });
            }
        }
    }

    /// Reads the settings again; false where they stay as they were.
    async fn reload(&mut self) -> bool {
        let options = self.options.clone();
        let known = self.known.clone();
        // It reads files and asks the system's name service.
        let read = tokio::task::spawn_blocking(move || {
            let loaded = read(&options)?;
            loaded.check_reload(&known)?;
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
                    log::error!("{mistake}");
                }
                log::error!("the settings have mistakes, and stay as they were");
            }
            Err(error) => {
                log::error!("the settings could not be read, and stay as they were: {error}");
            }
        }
        false
    }

    fn apply(&mut self, loaded: Loaded, policy: AccessPolicy) {
        let rules = loaded.settings.access.len();
        self.policy.send_replace(Arc::new(policy));
        if rules == 0 {
            self.known.clear();
        }
        let now = loaded.settings.access;
        self.known.retain(|rule| !now.contains(rule));
        self.known.extend(now);
        // The latest count most, should somebody change them without end.
        let surplus = self.known.len().saturating_sub(MOST_KNOWN.max(rules));
        self.known.drain(..surplus);
        logging::set_level(loaded.settings.daemon.log);
        for warning in &loaded.warnings {
            log::warn!("{warning}");
        }
        log::info!(access_rules = rules; "the settings were read again: log level and access rules are as they say now");
        let changed = self.running.changed(&loaded.written);
        let waiting = waiting(&changed, self.options.embedded);
        if !waiting.is_empty() {
            log::warn!(
                "changed, and in force after a restart only (systemctl restart expd): {}",
                waiting.join(", ")
            );
        }
    }
}

/// Reads the settings as at the start.
pub(super) fn read(options: &ServeOptions) -> Result<Loaded, ConfigErrors> {
    config::load(&Source::from_process(options.config.clone()))?.for_serving(options.embedded)
}

/// Of the changed keys, those that need a restart.
fn waiting(changed: &[String], embedded: bool) -> Vec<&str> {
    let in_force =
        |key: &str| matches!(key, "daemon.log" | "daemon.access") || key.starts_with("access");
    // Of the embedded network alone.
    let foreign = |key: &str| key.starts_with("hub.") && !embedded;
    let keys = changed.iter().map(String::as_str);
    keys.filter(|key| !in_force(key) && !foreign(key)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_force_at_once_does_not_wait_for_a_restart() {
        let changed = [
            "access[0].allow",
            "access",
            "daemon.log",
            "daemon.access",
            "daemon.metrics",
            "hub.listen",
        ]
        .map(str::to_owned);
        assert_eq!(waiting(&changed, false), ["daemon.metrics"]);
        assert_eq!(waiting(&changed, true), ["daemon.metrics", "hub.listen"]);
    }
}
