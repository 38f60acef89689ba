//! The embedded EXP-compatible network: logins, live sockets, broadcasts, a few resources, pairing.
//!
//! It is what `expd hub` runs, what `--embedded` brings along, and what the tests run against: one process, one
//! organization, everything in memory and bounded. A [`Hub`] is a function of (settings, shutdown); nothing is global, so
//! many live side by side.
//!
//! The files: `settings` what can be set; `connection` the TCP side; `router` the paths; `auth`, `tokens`, `password`
//! and `directory` who may come in; `socket` the live sockets, `legacy_polling` a correction for old ones; `network` who listens where; `pending` and `broadcasts`
//! messages and their responses; `resources` and `data` the API's documents; `pairing` the operator's side, [`operator`]
//! the client for it; `counters` what has happened; `body` and `error` how requests are read and refused.

mod auth;
mod body;
mod broadcasts;
mod connection;
mod counters;
mod data;
mod directory;
mod error;
#[cfg(fuzzing)]
mod fuzzing;
mod legacy_polling;
mod network;
pub mod operator;
mod pairing;
mod password;
mod pending;
mod resources;
mod router;
mod settings;
mod socket;
mod state;
mod tokens;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use counters::{ChannelCount, CountersSnapshot};
pub use password::{HashError, hash_password};
pub use settings::{HubConsumerApp, HubDevice, HubSettings, HubUser};

use connection::{HubListener, Peer};
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
    pub async fn bind(settings: &HubSettings) -> Result<Self, HubError> {
        let bind_error = |source| HubError::bind(settings.listen, source);
        let state = Arc::new(HubState::new(settings)?);
        // Tokio sets SO_REUSEADDR, so that a new hub takes the port at once after an old one.
        let listener = TcpListener::bind(settings.listen)
            .await
            .map_err(bind_error)?;
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
        let cut = CancellationToken::new();
        let _cut_when_dropped = cut.clone().drop_guard();
        let _stop_when_dropped = state.stopping.clone().drop_guard();
        let open = TaskTracker::new();

        let (router, io) = router::build(&state);
        let listener = HubListener::new(self.listener, open.clone(), cut.clone());
        let server = axum::serve(
            listener,
            router.into_make_service_with_connect_info::<Peer>(),
        )
        .with_graceful_shutdown(state.stopping.clone().cancelled_owned());
        let mut server = std::pin::pin!(server.into_future());

        let serving = |source| HubError::Serve {
            address: self.address,
            source,
        };
        tokio::select! {
            result = &mut server => return result.map_err(serving),
            () = shutdown.cancelled() => {}
        }
        state.stopping.cancel();
        let drained = tokio::time::timeout(DRAIN, async {
            let (result, ()) = tokio::join!(server, io.close());
            open.close();
            open.wait().await;
            result
        });
        if let Ok(result) = drained.await {
            result.map_err(serving)?;
        } else {
            log::debug!("cutting {} connections that did not end", open.len());
            cut.cancel();
            open.close();
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
