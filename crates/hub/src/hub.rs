//! The server as a value: bind, serve, stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::disk::DiskPlaces;
use super::error::HubError;
use super::password;
use super::router;
use super::settings::HubSettings;
use super::state::HubState;
use expd_server::server;
use expd_server::server::ServerTerms;

/// Time for connections to end by themselves at shutdown, before they are closed.
const DRAIN: Duration = Duration::from_millis(600);

/// Time for the tasks of closed connections to end.
const CUT: Duration = Duration::from_millis(300);

/// EXP network that has bound its address and does not serve yet.
pub struct Hub {
    listener: TcpListener,
    address: SocketAddr,
    pub(super) state: Arc<HubState>,
}

impl Hub {
    /// Checks the settings and binds the address.
    ///
    /// # Errors
    /// The address cannot be bound, a password hash is invalid, or the store or the content folder
    /// cannot be used.
    pub async fn bind(settings: &HubSettings) -> Result<Self, HubError> {
        let bind_error = |source| HubError::bind(settings.listen, source);
        for user in &settings.users {
            password::check_password_hash(&user.password_hash).map_err(|error| {
                HubError::PasswordHash {
                    username: user.username.clone(),
                    reason: error.to_string(),
                }
            })?;
        }
        // Secrets are left out: they would stay on the stack of a thread that may be idle for long.
        let places = DiskPlaces::new(settings);
        let disk = tokio::task::spawn_blocking(move || places.read())
            .await
            .unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
        let state = Arc::new(HubState::new(settings, disk));
        let listener = server::listen(settings.listen).map_err(bind_error)?;
        let address = listener.local_addr().map_err(bind_error)?;
        Ok(Self {
            listener,
            address,
            state,
        })
    }

    /// Bound address, with the actual port if the settings have port 0.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`, then answers pending requests, closes every socket and connection
    /// and returns, within about a second. Dropping the future closes everything at once.
    ///
    /// # Errors
    /// Accepting connections fails for good.
    pub async fn serve(self, shutdown: CancellationToken) -> Result<(), HubError> {
        let state = self.state;
        let _cut_when_dropped = state.admission.cut.clone().drop_guard();
        let _stop_when_dropped = state.stopping.clone().drop_guard();
        let open = TaskTracker::new();

        let router = router::build(&state);
        let terms = ServerTerms {
            admission: state.admission.clone(),
            stopping: state.stopping.clone(),
        };
        tokio::select! {
            Err(source) = server::serve(&self.listener, router, &terms, &open, || {}) => {
                let address = self.address;
                return Err(HubError::Serve { address, source });
            }
            () = shutdown.cancelled() => {}
        }
        state.stopping.cancel();
        // From here on, the system refuses new connections.
        drop(self.listener);
        open.close();
        if tokio::time::timeout(DRAIN, open.wait()).await.is_err() {
            log::debug!("closing {} connections that did not end", open.len());
            state.admission.cut.cancel();
            if tokio::time::timeout(CUT, open.wait()).await.is_err() {
                log::warn!("{} connections are still open", open.len());
            }
        }
        state.tasks.close();
        if tokio::time::timeout(CUT, state.tasks.wait()).await.is_err() {
            log::warn!("{} tasks have not ended", state.tasks.len());
        }
        state.store.close().await;
        Ok(())
    }
}
