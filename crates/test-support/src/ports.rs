//! Addresses that are taken again after somebody else had them.

use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::time::{Duration, Instant, sleep};

use crate::DEADLINE;

/// Binds the network where it was told, as soon as that is free.
#[cfg(feature = "hub")]
pub async fn bind(settings: &expd_hub::HubSettings) -> expd_hub::Hub {
    let taken = |error: &expd_hub::HubError| matches!(error, expd_hub::HubError::Busy { .. });
    once_free(|| expd_hub::Hub::bind(settings), taken).await
}

/// Listens where somebody listened before, as soon as that is free.
pub async fn listen(address: SocketAddr) -> TcpListener {
    let taken = |error: &io::Error| error.kind() == io::ErrorKind::AddrInUse;
    once_free(|| TcpListener::bind(address), taken).await
}

/// Binds something as soon as nobody else has its port.
///
/// While a network on this machine is away, the kernel may give a client that tries to reach it the
/// network's own port as its source, so that the client reaches itself. It notices that soon, but
/// until then the port is taken. (A loop of its own: a proxy's task waits here, and
/// [`eventually`](crate::eventually) may not be spawned.)
async fn once_free<T, E: Debug, F: Future<Output = Result<T, E>>>(
    bind: impl Fn() -> F,
    taken: impl Fn(&E) -> bool,
) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        match bind().await {
            Err(error) if taken(&error) && Instant::now() < deadline => {
                sleep(Duration::from_millis(20)).await;
            }
            bound => return bound.unwrap(),
        }
    }
}
