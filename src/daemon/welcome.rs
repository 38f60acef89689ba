//! Telling people and the service manager that the daemon serves, and how it goes on.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::greeting;
use crate::bridge::{Bridge, Bridges};
use crate::systemd::Notifier;
use crate::upstream::link::LinkStatus;
use expd_domain::LinkState;

/// How long the greeting waits for the first login, which on the embedded network takes milliseconds.
const FIRST_LOGIN: Duration = Duration::from_secs(3);

/// Tells it.
pub(super) struct Welcome {
    pub(super) socket: PathBuf,
    /// Whether clients find the socket without being told.
    pub(super) usual: bool,
    /// The embedded network's address.
    pub(super) network: Option<String>,
    /// The way to the service manager.
    pub(super) notifier: Arc<Notifier>,
}

impl Welcome {
    pub(super) async fn tell(
        self,
        mut started: watch::Receiver<Option<Bridges>>,
        shutdown: CancellationToken,
    ) {
        // An error means that the daemon did not start.
        let started = started.wait_for(Option::is_some).await.map(|b| b.clone());
        let Ok(Some(bridges)) = started else {
            return;
        };
        log::info!(socket = self.socket.display().to_string(); "serving on {}", self.socket.display());
        self.notifier.ready(&summary(&self.socket, &bridges));
        if let Some(network) = &self.network {
            let default = bridges.get("");
            if let Some(bridge) = default {
                let online = async {
                    let mut link = bridge.link.clone();
                    // An error means that the daemon stops again.
                    link.wait_for(|status| status.state == LinkState::Online)
                        .await
                        .map(drop)
                        .ok();
                };
                tokio::time::timeout(FIRST_LOGIN, online).await.ok();
            }
            let identity = default.and_then(|bridge| bridge.identity().ok());
            anstream::eprint!(
                "{}",
                greeting::embedded(&self.socket, self.usual, network, identity.as_ref())
            );
        }
        let mut beat = self.notifier.watchdog_interval().map(tokio::time::interval);
        let mut changes = Changes::of(&bridges);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = changes.next() => self.notifier.status(&summary(&self.socket, &bridges)),
                () = tick(beat.as_mut()) => self.notifier.watchdog(),
            }
        }
        self.notifier.stopping();
    }
}

/// One line on how every instance stands.
pub(super) fn summary(socket: &Path, bridges: &Bridges) -> String {
    let states: Vec<String> = bridges.iter().map(|bridge| state(bridge)).collect();
    format!("{} · {}", socket.display(), states.join(" · "))
}

fn state(bridge: &Bridge) -> String {
    let LinkStatus { state, reason, .. } = &*bridge.link.borrow();
    let state = state.explain();
    if reason.is_empty() {
        format!("{}: {state}", bridge.name)
    } else {
        format!("{}: {state} ({reason})", bridge.name)
    }
}

/// The next beat, or never where the service manager wants none.
async fn tick(beat: Option<&mut tokio::time::Interval>) {
    match beat {
        Some(beat) => drop(beat.tick().await),
        None => std::future::pending().await,
    }
}

/// Waits for any instance's link to change.
struct Changes(Vec<watch::Receiver<LinkStatus>>);

impl Changes {
    fn of(bridges: &Bridges) -> Self {
        Self(bridges.iter().map(|bridge| bridge.link.clone()).collect())
    }

    async fn next(&mut self) {
        if self.0.is_empty() {
            std::future::pending::<()>().await;
        }
        let any = self.0.iter_mut().map(|link| Box::pin(link.changed()));
        let (changed, index, _) = futures_util::future::select_all(any).await;
        if changed.is_err() {
            // The link has ended; the daemon will say so.
            self.0.swap_remove(index);
        }
    }
}
