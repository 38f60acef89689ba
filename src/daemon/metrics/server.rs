//! The HTTP server of the metrics: few connections, each for one answer and a limited time.
//!
//! Every local program, and every web page in a browser on this host, can reach a loopback address.
//! So a request needs a loopback `Host`, which a page of another site cannot send, and a newer
//! connection replaces a silent one.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::families::Metrics;
use crate::config::settings::DaemonSettings;
use crate::daemon::error::DaemonError;
use crate::ipc::{self, SocketGuard, SocketPath};
use expd_hub::Hosts;

/// The text format; every Prometheus reads version 0.0.4.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Maximum number of connections; a further one closes the oldest. One scraper is usual.
const MAX_CONNECTIONS: usize = 16;

/// Maximum lifetime of a connection.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum size of a request head.
const MAX_HEAD_BYTES: usize = 8 * 1024;

/// Pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The metrics server, bound and not yet serving.
pub(in crate::daemon) struct MetricsServer {
    tcp: Option<(TcpListener, SocketAddr)>,
    unix: Option<(UnixListener, SocketGuard)>,
}

impl MetricsServer {
    /// Binds the address and the Unix socket, which has the mode and group of the daemon's. `None`
    /// if the settings name neither.
    ///
    /// # Errors
    /// One of them cannot be bound.
    pub(in crate::daemon) async fn bind(
        settings: &DaemonSettings,
    ) -> Result<Option<Self>, DaemonError> {
        let tcp = match settings.metrics {
            Some(address) => {
                let bound = async {
                    let listener = TcpListener::bind(address).await?;
                    let address = listener.local_addr()?;
                    Ok((listener, address))
                };
                let failed = |source| DaemonError::Metrics { address, source };
                Some(bound.await.map_err(failed)?)
            }
            None => None,
        };
        let unix = match &settings.metrics_socket {
            Some(path) => {
                let (mode, group) = (settings.socket_mode, settings.socket_group.as_deref());
                let bound = ipc::bind(&SocketPath::named(path), mode, group)?;
                Some(bound.into_listener().map_err(DaemonError::MetricsSocket)?)
            }
            None => None,
        };
        Ok((tcp.is_some() || unix.is_some()).then_some(Self { tcp, unix }))
    }

    /// Serves until `stop`.
    ///
    /// # Errors
    /// A listener fails permanently.
    pub(in crate::daemon) async fn serve(
        self,
        metrics: Metrics,
        stop: CancellationToken,
    ) -> Result<(), DaemonError> {
        let app = Router::new()
            .route("/metrics", get(page))
            .with_state(metrics);
        let Self { tcp, unix } = self;
        let over_tcp = async {
            let Some((listener, address)) = tcp else {
                return Ok(());
            };
            log::info!("metrics at http://{address}/metrics");
            let source = MetricsListener::Tcp(listener, Hosts::loopback());
            let served = serve_all(source, app.clone(), stop.clone());
            let failed = |source| DaemonError::Metrics { address, source };
            served.await.map_err(failed)
        };
        let over_unix = async {
            // The guard removes the file together with the listener.
            let Some((listener, _file)) = unix else {
                return Ok(());
            };
            let address = listener.local_addr().ok();
            let path = address.as_ref().and_then(|it| it.as_pathname());
            let path = path.unwrap_or(Path::new("?"));
            log::info!("metrics at the Unix socket {}", path.display());
            let served = serve_all(MetricsListener::Unix(listener), app.clone(), stop.clone());
            served.await.map_err(DaemonError::MetricsSocket)
        };
        tokio::try_join!(over_tcp, over_unix)?;
        Ok(())
    }
}

async fn page(State(metrics): State<Metrics>) -> Response {
    match metrics.collect().await {
        Ok(text) => {
            let headers = [
                (header::CONTENT_TYPE, FORMAT),
                (header::CONNECTION, "close"),
            ];
            (headers, text).into_response()
        }
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

/// A listener of the metrics.
enum MetricsListener {
    /// Requests must name one of the hosts.
    Tcp(TcpListener, Hosts),
    /// Out of reach of web pages, so any `Host` is accepted.
    Unix(UnixListener),
}

/// An accepted connection.
type Accepted = Either<TcpStream, UnixStream>;

impl MetricsListener {
    async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(listener, _) => Ok(Either::Left(listener.accept().await?.0)),
            Self::Unix(listener) => Ok(Either::Right(listener.accept().await?.0)),
        }
    }

    fn hosts(&self) -> Option<Hosts> {
        match self {
            Self::Tcp(_, hosts) => Some(hosts.clone()),
            Self::Unix(_) => None,
        }
    }
}

/// Serves the connections of a listener until `stop`.
async fn serve_all(
    source: MetricsListener,
    app: Router,
    stop: CancellationToken,
) -> io::Result<()> {
    let hosts = source.hosts();
    let mut open = JoinSet::new();
    let mut oldest_first: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            Some(_ended) = open.join_next() => continue,
            accepted = source.accept() => accepted,
        };
        let stream = match accepted {
            Ok(stream) => stream,
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Err(error),
            Err(_) => {
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        oldest_first.retain(|connection| !connection.is_finished());
        if oldest_first.len() >= MAX_CONNECTIONS
            && let Some(oldest) = oldest_first.pop_front()
        {
            oldest.abort();
        }
        let connection = serve_connection(stream, app.clone(), hosts.clone());
        oldest_first.push_back(open.spawn(async move {
            // A connection that takes longer is dropped.
            timeout(CONNECTION_TIMEOUT, connection).await.ok();
        }));
    }
}

async fn serve_connection(stream: Accepted, app: Router, hosts: Option<Hosts>) {
    let service = service_fn(|request: Request<Incoming>| {
        let (app, hosts) = (app.clone(), hosts.clone());
        async move { Ok::<_, Infallible>(answer(app, hosts.as_ref(), request).await) }
    });
    let served = http1::Builder::new()
        .max_buf_size(MAX_HEAD_BYTES)
        .header_read_timeout(None)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        log::trace!("the connection of a metrics client broke: {error}");
    }
}

async fn answer(app: Router, hosts: Option<&Hosts>, request: Request<Incoming>) -> Response {
    if hosts.is_some_and(|hosts| !hosts.allow(request.uri(), request.headers())) {
        let reason = "the Host must be a loopback address or localhost\n";
        return (StatusCode::MISDIRECTED_REQUEST, reason).into_response();
    }
    match app.oneshot(request.map(Body::new)).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
