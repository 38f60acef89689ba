//! A network that comes back in its old place.

use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use expd_hub::{Hub, HubError, HubSettings};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

/// How long somebody else may have the port.
const PATIENCE: Duration = Duration::from_secs(10);

/// Binds the network where it was told, as soon as that is free.
pub async fn bind(settings: &HubSettings) -> Hub {
    let taken = |error: &HubError| matches!(error, HubError::Busy { .. });
    once_free(|| Hub::bind(settings), taken).await
}

/// Listens where somebody listened before, as soon as that is free.
#[allow(
    dead_code,
    reason = "not everybody who binds a network has a server of another kind, too"
)]
pub async fn listen(address: SocketAddr) -> TcpListener {
    let taken = |error: &io::Error| error.kind() == io::ErrorKind::AddrInUse;
    once_free(|| TcpListener::bind(address), taken).await
}

/// Binds something as soon as nobody else has its port.
///
/// While a network on this machine is away, a client that tries to reach it may be given the network's own port to come from,
/// and reach itself. It notices that soon, but until then the port is taken.
async fn once_free<T, E: Debug, F: Future<Output = Result<T, E>>>(
    bind: impl Fn() -> F,
    taken: impl Fn(&E) -> bool,
) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match bind().await {
            Err(error) if taken(&error) && Instant::now() < deadline => {
                sleep(Duration::from_millis(20)).await;
            }
            bound => return bound.unwrap(),
        }
    }
}
