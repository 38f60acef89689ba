//! Forwards broadcasts to the router, each once. Those about the daemon's own credentials stay
//! here.

use serde::Deserialize;

use super::{PAIRING_CHANNEL, Serving};
use crate::router::{Incoming, Report};
use expd_domain::{IdentityKind, Secret};

impl Serving {
    /// Passes broadcasts to the router, each once, and handles those that are for the daemon
    /// itself.
    pub(super) async fn forward(&mut self, mut broadcasts: Vec<Incoming>, kind: IdentityKind) {
        if broadcasts.is_empty() {
            return;
        }
        let counters = &self.parts.counters;
        counters.broadcasts_received.add(broadcasts.len() as u64);
        if let Some(last) = broadcasts.last() {
            counters.last_broadcast.set(last.received.boot);
        }
        broadcasts.retain(|incoming| {
            let new = self
                .recent
                .is_new(&incoming.channel, &incoming.broadcast.id);
            if !new {
                counters.duplicates.inc();
            }
            new
        });
        if kind == IdentityKind::Device {
            for incoming in broadcasts.iter().filter(|i| i.channel.system) {
                self.handle_device_broadcast(incoming);
            }
        }
        // A device's secret is for the daemon alone, whichever apps listen on that channel.
        broadcasts.retain(|incoming| !are_credentials(incoming));
        self.report(Report::Broadcasts(broadcasts)).await;
    }

    /// Handles a broadcast about a device's own credentials.
    fn handle_device_broadcast(&self, incoming: &Incoming) {
        #[derive(Deserialize)]
        struct Credentials {
            uuid: String,
            secret: Secret,
        }
        let broadcast = &incoming.broadcast;
        let identity = self.identity();
        match broadcast.name.as_str() {
            _ if are_credentials(incoming) => {
                match serde_json::from_str::<Credentials>(broadcast.payload.as_str()) {
                    Ok(given) => self.parts.session.paired(given.uuid, given.secret),
                    Err(_) => {
                        log::warn!(instance = self.parts.name; "the network sent pairing credentials without uuid and secret; still waiting to be paired");
                    }
                }
            }
            "unpair"
                if identity
                    .is_some_and(|uuid| !uuid.is_empty() && uuid == incoming.channel.name) =>
            {
                self.parts.session.unpaired();
            }
            _ => {}
        }
    }

    fn identity(&self) -> Option<String> {
        let states = self.states.borrow();
        let session = states.session()?;
        Some(session.authentication.identity.uuid.clone())
    }

    pub(super) fn count_unexpected(&self, unexpected: &[String]) {
        for what in unexpected {
            self.parts.counters.unexpected_messages.inc();
            log::debug!(instance = self.parts.name; "unexpected message: {what}");
        }
    }
}

/// True for a broadcast that carries a device's uuid and secret.
fn are_credentials(incoming: &Incoming) -> bool {
    let channel = &incoming.channel;
    channel.system && channel.name == PAIRING_CHANNEL && incoming.broadcast.name == "credentials"
}
