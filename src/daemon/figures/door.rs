//! The HTTP side of the figures: one answer a connection, few connections, and none that stays.
//!
//! Every local program, and every page in a browser on this host, can reach a loopback address. So a request has to name it by a
//! loopback `Host`, which a page of another site cannot, and whoever says nothing makes room for the next.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse as _, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use expd_hub::Hosts;

/// Scrapers at a time; one of them is usual. The next one takes the place of the oldest.
const CONNECTIONS: usize = 16;

/// How long a connection may take from its beginning to its end.
const CONVERSATION: Duration = Duration::from_secs(10);

/// The largest head of a request.
const MAX_HEAD: usize = 8 * 1024;

/// How long nothing is accepted after the system refused it.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop`.
///
/// # Errors
/// When accepting fails for good.
pub(super) async fn serve(
    listener: TcpListener,
    app: Router,
    stop: CancellationToken,
) -> io::Result<()> {
    let hosts = Hosts::loopback();
    let mut open = JoinSet::new();
    let mut oldest_first: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            Some(_ended) = open.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Err(error),
            Err(_) => {
                sleep(PAUSE).await;
                continue;
            }
        };
        oldest_first.retain(|connection| !connection.is_finished());
        if oldest_first.len() >= CONNECTIONS
            && let Some(oldest) = oldest_first.pop_front()
        {
            oldest.abort();
        }
        let conversation = converse(stream, app.clone(), hosts.clone());
        oldest_first.push_back(open.spawn(async move {
            // Whatever was not said by then is not waited for.
            timeout(CONVERSATION, conversation).await.ok();
        }));
    }
}

async fn converse(stream: TcpStream, app: Router, hosts: Hosts) {
    let service = service_fn(|request: Request<Incoming>| {
        let (app, hosts) = (app.clone(), hosts.clone());
        async move { Ok::<_, Infallible>(answer(app, &hosts, request).await) }
    });
    let served = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .header_read_timeout(None)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        log::trace!("a scraper's connection broke off: {error}");
    }
}

async fn answer(app: Router, hosts: &Hosts, request: Request<Incoming>) -> Response {
    if !hosts.allow(request.uri(), request.headers()) {
        let reason = "call this by a loopback address or as localhost\n";
        return (StatusCode::MISDIRECTED_REQUEST, reason).into_response();
    }
    match app.oneshot(request.map(Body::new)).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// Takes the address.
pub(super) async fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}
