//! Notifications to the service manager: ready, the state of the links, watchdog, stopping.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::bridge::{Bridge, Bridges};
use crate::systemd::Notifier;
use crate::upstream::link::LinkStatus;

/// Notifies the service manager of the daemon's state, from its start to its shutdown.
pub(super) struct StatusNotifier {
    pub(super) socket: PathBuf,
    pub(super) notifier: Arc<Notifier>,
    /// Changes that the last reload deferred to a restart.
    pub(super) reload_note: watch::Receiver<String>,
}

impl StatusNotifier {
    /// Notifies once the daemon serves, at each change of a link, and at the shutdown.
    pub(super) async fn run(self, bridges: Bridges, shutdown: CancellationToken) {
        let mut instances = bridges.changes();
        self.notifier.ready(&self.summary(&bridges));
        let mut watchdog = self.notifier.watchdog_interval().map(tokio::time::interval);
        let mut changes = LinkChanges::of(&bridges);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = changes.next() => self.notifier.status(&self.summary(&bridges)),
                Ok(()) = instances.changed() => {
                    changes = LinkChanges::of(&bridges);
                    self.notifier.status(&self.summary(&bridges));
                }
                () = tick(watchdog.as_mut()) => self.notifier.watchdog(),
            }
        }
        self.notifier.stopping();
        // A stop that would lose a pairing waits; the sessions bound that wait.
        while bridges.iter().any(|bridge| unsaved(&bridge).is_some()) {
            self.notifier
                .extend_timeout(2 * EXTENSION, &self.summary(&bridges));
            sleep(EXTENSION).await;
        }
    }

    fn summary(&self, bridges: &Bridges) -> String {
        summary(&self.socket, bridges, &self.reload_note.borrow())
    }
}

/// Interval at which the service manager is asked for more time while a stop waits.
const EXTENSION: Duration = Duration::from_secs(2);

/// Reason why an instance's pairing is not stored.
fn unsaved(bridge: &Bridge) -> Option<String> {
    bridge.session.unsaved().borrow().clone()
}

/// One line with the socket, the state of every instance, and the changes that the last reload
/// deferred.
pub(super) fn summary(socket: &Path, bridges: &Bridges, reload_note: &str) -> String {
    let states: Vec<String> = bridges.iter().map(|bridge| state(&bridge)).collect();
    let summary = format!("{} · {}", socket.display(), states.join(" · "));
    if reload_note.is_empty() {
        summary
    } else {
        format!("{reload_note} · {summary}")
    }
}

fn state(bridge: &Bridge) -> String {
    let LinkStatus { state, reason, .. } = &*bridge.link.borrow();
    let state = state.explain();
    let mut text = format!("{}: {state}", bridge.name);
    if !reason.is_empty() {
        text = format!("{text} ({reason})");
    }
    if let Some(why) = unsaved(bridge) {
        text = format!("{text} · PAIRING NOT SAVED, a restart loses it: {why}");
    }
    text
}

/// Waits for the next tick; forever if the service manager has no watchdog.
async fn tick(interval: Option<&mut Interval>) {
    match interval {
        Some(interval) => drop(interval.tick().await),
        None => std::future::pending().await,
    }
}

/// Changes of any instance's link, or of the storing of its pairing.
struct LinkChanges(Vec<(watch::Receiver<LinkStatus>, watch::Receiver<Option<String>>)>);

impl LinkChanges {
    fn of(bridges: &Bridges) -> Self {
        let of = |bridge: Arc<Bridge>| (bridge.link.clone(), bridge.session.unsaved());
        Self(bridges.iter().map(of).collect())
    }

    async fn next(&mut self) {
        if self.0.is_empty() {
            std::future::pending::<()>().await;
        }
        let any = self.0.iter_mut().map(|(link, unsaved)| {
            Box::pin(async move {
                tokio::select! {
                    changed = link.changed() => changed,
                    changed = unsaved.changed() => changed,
                }
            })
        });
        let (changed, index, _) = futures_util::future::select_all(any).await;
        if changed.is_err() {
            // A reload has ended the instance, or its end is about to end the daemon.
            self.0.swap_remove(index);
        }
    }
}
