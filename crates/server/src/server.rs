//! HTTP server: accepts connections, reads request heads within limits, and shuts down gracefully.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::StatusCode;
use axum::response::Response;
use hyper::body::Incoming as RequestBody;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::admission::{Admission, ConnectionSlot};
use super::connection::{ClientConnection, RequestConnection};
use super::stream::CountedStream;

/// Maximum size of a request's head, and of read-ahead on a connection. No login is needed to send
/// that much.
const MAX_HEAD: usize = 16 * 1024;

/// Maximum number of header fields in a head.
const MAX_HEADERS: usize = 64;

/// Interval of the check for expired timeouts.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Connections that the kernel queues until they are accepted. Beyond that it drops SYNs, and
/// clients wait a second for the next attempt, so a flood must not fill it.
const BACKLOG: u32 = 4096;

/// Pause after accepting has failed.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// Connections that are being refused with a response, and the timeout of each.
const MAX_REFUSALS: usize = 64;
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

/// Response to a connection for which there is no room.
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    Content-Type: application/json\r\n\
    Retry-After: 1\r\n\
    Connection: close\r\n\
    Content-Length: 100\r\n\r\n\
    {\"code\":\"network.connections.tooMany\",\"message\":\"too many connections from here; try again later\"}\r\n";

/// Admission and shutdown of a server.
#[derive(Clone)]
pub struct ServerTerms {
    /// Slots of connections.
    pub admission: Arc<Admission>,
    /// Cancelled when the server stops: idle connections end, pending requests are answered.
    pub stopping: CancellationToken,
}

/// Binds an address. A new server can bind it directly after an old one.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts and serves until it is dropped. `open` counts connections, including those that became a
/// WebSocket. `sweep` is called once a second.
pub async fn serve(
    listener: &TcpListener,
    router: Router,
    terms: &ServerTerms,
    open: &TaskTracker,
    sweep: impl Fn(),
) -> io::Result<Infallible> {
    let server = Server {
        router,
        terms: terms.clone(),
        open: open.clone(),
        refusals: Arc::new(Semaphore::new(MAX_REFUSALS)),
    };
    let mut sweeps = interval(SWEEP_INTERVAL);
    sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let accepted = tokio::select! {
            _ = sweeps.tick() => {
                terms.admission.close_expired();
                sweep();
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                server.admit(stream, peer);
                // The newcomer may have sent its request already; its task reads it before the next
                // one can evict it.
                tokio::task::yield_now().await;
            }
            Err(error) if is_connection_error(&error) => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Err(error),
            Err(error) => {
                log::warn!("cannot accept connections: {error}; closing the longest-waiting one");
                terms.admission.evict_one();
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
}

/// Everything that a connection's task needs.
#[derive(Clone)]
struct Server {
    router: Router,
    terms: ServerTerms,
    open: TaskTracker,
    refusals: Arc<Semaphore>,
}

impl Server {
    /// Gives a new connection a slot and a task.
    fn admit(&self, stream: TcpStream, peer: SocketAddr) {
        if let Err(error) = stream.set_nodelay(true) {
            log::debug!("a connection from {peer} closed before it was served: {error}");
            return;
        }
        let connection = self.terms.admission.connection(peer);
        let Some(slot) = self.terms.admission.admit(&connection) else {
            log::debug!("refused a connection from {peer}: too many connections");
            return;
        };
        let server = self.clone();
        self.open.spawn(async move {
            if first_byte(&stream, &connection, &server.terms).await {
                // Boxed, so that a silent connection does not take the memory of an active one.
                Box::pin(server.serve(stream, connection, slot)).await;
            }
        });
    }

    /// Serves a connection from its first byte on, or refuses it if there is no room.
    async fn serve(
        self,
        stream: TcpStream,
        connection: Arc<ClientConnection>,
        slot: ConnectionSlot,
    ) {
        if self.terms.admission.on_first_byte(&connection).is_none() {
            log::debug!(
                "refused a connection from {}: too many connections",
                connection.peer
            );
            drop(slot);
            if let Ok(_turn) = self.refusals.try_acquire() {
                // A client that does not read the refusal loses nothing else.
                timeout(REFUSAL_TIMEOUT, refuse(stream)).await.ok();
            }
            return;
        }
        let stream = CountedStream::new(stream, connection.clone(), self.open.token(), slot);
        serve_connection(stream, connection, self.router, self.terms).await;
    }
}

/// Waits for the first byte; false if the connection ends first.
async fn first_byte(
    stream: &TcpStream,
    connection: &ClientConnection,
    terms: &ServerTerms,
) -> bool {
    let mut byte = [0];
    tokio::select! {
        // Peeks, since readiness may be reported without data.
        peeked = stream.peek(&mut byte) => peeked.is_ok_and(|length| length > 0),
        () = connection.until_cut() => false,
        () = terms.stopping.cancelled() => false,
    }
}

/// Sends the refusal and reads until the client closes: closing first would reset the connection.
async fn refuse(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(REFUSAL).await?;
    stream.shutdown().await?;
    let mut rest = [0; 1024];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

/// Serves the requests of one connection.
async fn serve_connection(
    stream: CountedStream,
    connection: Arc<ClientConnection>,
    router: Router,
    terms: ServerTerms,
) {
    let service = service_fn(|request: Request<RequestBody>| {
        let (router, connection) = (router.clone(), connection.clone());
        async move { Ok::<_, Infallible>(serve_request(router, connection, request).await) }
    });
    let mut http = http1::Builder::new();
    http.max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .header_read_timeout(None);
    let served = http.serve_connection(TokioIo::new(stream), service);
    let mut served = pin!(served.with_upgrades());
    let ended = tokio::select! {
        ended = &mut served => ended,
        () = terms.stopping.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        log::trace!("a connection closed with an error: {error}");
    }
}

async fn serve_request(
    router: Router,
    connection: Arc<ClientConnection>,
    request: Request<RequestBody>,
) -> Response {
    connection.begin_request();
    let mut request = request.map(Body::new);
    let peer = ConnectInfo(RequestConnection(connection.clone()));
    request.extensions_mut().insert(peer);
    let response = match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    // A WebSocket stays busy.
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        connection.end_request();
    }
    response
}

/// Tells errors of one connection from those of the listener.
fn is_connection_error(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_has_the_length_that_it_says() {
        let text = std::str::from_utf8(REFUSAL).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("Content-Length: {}", body.len())),
            "{}",
            body.len()
        );
        let body: expd_domain::message::ErrorBody = serde_json::from_str(body).unwrap();
        assert_eq!(body.code, "network.connections.tooMany");
    }
}
