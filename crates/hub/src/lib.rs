//! The embedded EXP-compatible network: logins, live sockets, broadcasts, a few resources, pairing.
//!
//! It is what `expd hub` runs, what `--embedded` brings along, and what the tests run against: one process, one
//! organization, everything in memory and bounded. A [`Hub`] is a function of (settings, shutdown); nothing is global, so
//! many live side by side.
//!
//! It is open to strangers, and what one of them can make it hold or do is bounded in size, number, share and time: `admission`
//! bounds connections, `server` heads, `body` and `memory` bodies, `engine_sessions` sockets, `polling_body` what the Socket.IO
//! library reads, `password_checks`, `pairing_codes` and `rate` logins, `hosts` who may be meant.
//!
//! The other files: `settings` what can be set; `connection` one TCP connection; `router` the paths; `auth`, `keys`, `tokens`,
//! `password` and `directory` who may come in; `engine`, `engine_query` and `socket` the live sockets, `legacy_framing` and
//! `legacy_polling` what old ones need; `network` who listens where; `pending` and `broadcasts` messages and their responses;
//! `resources` and `data` the API's documents; `pairing` the operator's side, [`operator`] the client for it; `counters` what has
//! happened; `error` how requests are refused.

mod admission;
mod auth;
mod body;
mod broadcasts;
mod connection;
mod counters;
mod data;
mod directory;
mod engine;
mod engine_query;
mod engine_sessions;
mod error;
#[cfg(fuzzing)]
mod fuzzing;
mod hosts;
mod keys;
mod legacy_framing;
mod legacy_polling;
mod memory;
mod network;
pub mod operator;
mod pairing;
mod pairing_codes;
mod password;
mod password_checks;
mod pending;
mod polling_body;
mod rate;
mod resources;
mod router;
mod server;
mod settings;
mod socket;
mod socket_memory;
mod state;
mod tokens;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use admission::MAX_CONNECTIONS;
pub use counters::{ChannelCount, CountersSnapshot};
pub use hosts::Hosts;
pub use keys::{operator_key_file, read_key};
pub use password::{HashError, check_password_hash, hash_password};
pub use settings::{HubConsumerApp, HubDevice, HubSettings, HubUser};

use state::HubState;

/// How long connections may take to end by themselves at shutdown, before they are cut.
const DRAIN: Duration = Duration::from_millis(600);

/// How long a connection that was cut may take to notice.
const CUT: Duration = Duration::from_millis(300);

/// An EXP network that is bound to its address and not yet serving.
pub struct Hub {
    listener: TcpListener,
    address: SocketAddr,
    state: Arc<HubState>,
}

impl Hub {
    /// Checks the settings and takes the address.
    ///
    /// # Errors
    /// When the address cannot be taken, or a password hash is none.
    #[expect(
        clippy::unused_async,
        reason = "a listener belongs to the runtime that this is called in"
    )]
    pub async fn bind(settings: &HubSettings) -> Result<Self, HubError> {
        let bind_error = |source| HubError::bind(settings.listen, source);
        let state = Arc::new(HubState::new(settings)?);
        let listener = server::listen(settings.listen).map_err(bind_error)?;
        let address = listener.local_addr().map_err(bind_error)?;
        Ok(Self {
            listener,
            address,
            state,
        })
    }

    /// The address that was taken; with port 0 in the settings, here is the real one.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`, then answers what is held open, closes every socket and connection and returns, within
    /// about a second. Dropping the future cuts everything at once.
    ///
    /// # Errors
    /// When accepting connections fails for good.
    pub async fn serve(self, shutdown: CancellationToken) -> Result<(), HubError> {
        let state = self.state;
        let _cut_when_dropped = state.admission.cut.clone().drop_guard();
        let _stop_when_dropped = state.stopping.clone().drop_guard();
        let open = TaskTracker::new();

        let (router, engine) = router::build(&state);
        tokio::select! {
            Err(source) = server::serve(&self.listener, router, &state, &open) => {
                let address = self.address;
                return Err(HubError::Serve { address, source });
            }
            () = shutdown.cancelled() => {}
        }
        state.stopping.cancel();
        // From here on, the system refuses whoever comes.
        drop(self.listener);
        open.close();
        let drained = async {
            tokio::join!(engine.close(), open.wait());
        };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            log::debug!("cutting {} connections that did not end", open.len());
            state.admission.cut.cancel();
            if tokio::time::timeout(CUT, open.wait()).await.is_err() {
                log::warn!("{} connections are still open", open.len());
            }
        }
        state.tasks.close();
        if tokio::time::timeout(CUT, state.tasks.wait()).await.is_err() {
            log::warn!("{} tasks have not ended", state.tasks.len());
        }
        Ok(())
    }
}

/// Why the network could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// Another program has the port.
    #[error(
        "the network's address {address} is taken by another program; stop that program, or choose another address with hub.listen (port 0 takes a free one)"
    )]
    Busy {
        /// The address that was asked for.
        address: SocketAddr,
        /// The system's words.
        source: io::Error,
    },
    /// The address cannot be taken for another reason.
    #[error(
        "the network cannot listen on {address}: {source}; set hub.listen to an address of this machine and a port that this user may take"
    )]
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// The system's words.
        source: io::Error,
    },
    /// A user's password hash cannot be used.
    #[error(
        "the password_hash of hub user {username:?} is no Argon2 hash in PHC form: {reason}; make one with `expd hub hash-password`"
    )]
    PasswordHash {
        /// Whose.
        username: String,
        /// The parser's words.
        reason: String,
    },
    /// The server ended by itself.
    #[error("the network on {address} stopped serving: {source}")]
    Serve {
        /// Where it was serving.
        address: SocketAddr,
        /// The cause.
        source: io::Error,
    },
}

impl HubError {
    fn bind(address: SocketAddr, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::AddrInUse {
            Self::Busy { address, source }
        } else {
            Self::Bind { address, source }
        }
    }
}
