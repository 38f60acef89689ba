//! Generation 4 through the `rust_socketio` crate, if the setting `socket_library` chooses it.
//!
//! It is not the default: the crate parses payloads and so respells them (`1e400` becomes
//! `1e+400`), silently drops packets that nest deeper than 127 levels, and does not support
//! proxies.
//!
//! The crate spawns a task that cannot be aborted, so each socket runs it in a small runtime on its
//! own thread: dropping the runtime is the one reliable way to end all its tasks and descriptors.
//! It must not reconnect by itself, since the link does that with a fresh token and reports what
//! was lost. It does not report the end of its connection; it only asks how to reconnect, and that
//! question is the signal used here. Its callbacks run one after the other and wait for room in the
//! queue, so a full queue slows the server down through TCP.

use std::error::Error as StdError;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, pending};
use rust_socketio::asynchronous::{Client, ClientBuilder};
use rust_socketio::{Event, Payload as Arguments, TransportType};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::transport::{Address, redact};
use super::{EVENT_QUEUE, Endpoint, Socket, SocketError, SocketEvent};
use crate::choice::SocketLibrary;
use crate::trust::Trust;
use expd_domain::excerpt::{excerpt, sentence};
use expd_domain::{Broadcast, BroadcastId, ChannelId, Generation, Payload};

/// Timeout of a graceful close.
const GOODBYE: Duration = Duration::from_secs(1);

/// Timeout of sending one request, after which the connection counts as broken.
const SEND: Duration = Duration::from_secs(10);

/// Queue of subscribe requests for the socket's thread. The link sends one at a time and waits for
/// it.
const REQUESTS: usize = 1;

/// An open Engine.IO 4 connection.
struct LibrarySocket {
    /// Dropping it ends the thread.
    requests: mpsc::Sender<Subscribe>,
    events: mpsc::Receiver<SocketEvent>,
}

struct Subscribe {
    channels: Vec<ChannelId>,
    done: oneshot::Sender<Result<(), SocketError>>,
}

/// True if the library was chosen and supports the route: generation 4 over a direct WebSocket.
pub fn supports(address: &Address<'_>, generation: Generation) -> bool {
    address.endpoint.library == SocketLibrary::RustSocketio
        && generation == Generation::V4
        && address.is_direct()
}

/// Opens a connection over WebSocket and waits until the server has accepted it.
///
/// # Errors
/// The server cannot be reached, refuses the token, or takes longer than the endpoint's timeout.
pub async fn open(endpoint: &Endpoint) -> Result<Box<dyn Socket>, SocketError> {
    let (events_in, events) = mpsc::channel(EVENT_QUEUE);
    let (requests, requests_out) = mpsc::channel(REQUESTS);
    let (opened, is_open) = oneshot::channel();
    let url = endpoint.url.clone();
    let cannot = move |reason: String| SocketError::Connect {
        url: url.clone(),
        reason,
    };
    let thread = {
        let endpoint = endpoint.clone();
        let cannot = cannot.clone();
        move || match tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
        {
            Ok(runtime) => {
                runtime.block_on(serve(&endpoint, opened, requests_out, events_in));
                // Without waiting: a DNS look-up may still be in progress.
                runtime.shutdown_background();
            }
            // If the opener is gone, the error is of no use.
            Err(error) => drop(opened.send(Err(cannot(format!("no runtime for it: {error}"))))),
        }
    };
    std::thread::Builder::new()
        .name("expd-socket".to_owned())
        .spawn(thread)
        .map_err(|error| cannot(format!("no thread for it: {error}")))?;
    is_open
        .await
        .unwrap_or_else(|_| Err(cannot("the Socket.IO library gave up".to_owned())))?;
    Ok(Box::new(LibrarySocket { requests, events }))
}

impl Socket for LibrarySocket {
    fn generation(&self) -> Generation {
        Generation::V4
    }

    fn subscribe(&mut self, channels: Vec<ChannelId>) -> BoxFuture<'_, Result<(), SocketError>> {
        let gone = || SocketError::Send("the connection has ended".to_owned());
        async move {
            let (done, is_done) = oneshot::channel();
            self.requests
                .send(Subscribe { channels, done })
                .await
                .map_err(|_| gone())?;
            is_done.await.map_err(|_| gone())?
        }
        .boxed()
    }

    fn next_events<'a>(&'a mut self, events: &'a mut Vec<SocketEvent>) -> BoxFuture<'a, ()> {
        async move {
            if self.events.recv_many(events, EVENT_QUEUE).await == 0 {
                events.push(SocketEvent::Closed("the connection has ended".to_owned()));
            }
        }
        .boxed()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        async move {
            let Self {
                requests,
                mut events,
            } = *self;
            drop(requests);
            // The thread disconnects and ends, which closes the queue. Late events are dropped.
            let drained = async { while events.recv().await.is_some() {} };
            // The thread ends by itself, even after the timeout.
            timeout(GOODBYE * 2, drained).await.ok();
        }
        .boxed()
    }
}

/// The thread's work: opens the connection, sends requests, and disconnects once the queue is
/// closed.
async fn serve(
    endpoint: &Endpoint,
    opened: oneshot::Sender<Result<(), SocketError>>,
    mut requests: mpsc::Receiver<Subscribe>,
    events: mpsc::Sender<SocketEvent>,
) {
    let connected = tokio::select! {
        connected = timeout(endpoint.timeout, connect(endpoint, events)) => connected.unwrap_or_else(|_| {
            Err(SocketError::Timeout {
                url: endpoint.url.clone(),
                after: endpoint.timeout,
            })
        }),
        // The opener gave up.
        None = requests.recv() => return,
    };
    let client = match connected {
        Ok(client) => client,
        Err(error) => {
            // The opener may be gone.
            opened.send(Err(error)).ok();
            return;
        }
    };
    if opened.send(Ok(())).is_ok() {
        while let Some(Subscribe { channels, done }) = requests.recv().await {
            let ids = channels
                .iter()
                .map(|id| Value::from(id.as_str()))
                .collect::<Vec<_>>();
            let sent = timeout(
                SEND,
                client.emit("subscribe", Arguments::Text(vec![Value::Array(ids)])),
            );
            let result = match sent.await {
                Ok(sent) => sent.map_err(|error| SocketError::Send(chain(&error))),
                Err(_) => Err(SocketError::Send(format!("it took longer than {SEND:?}"))),
            };
            // The requester may be gone.
            done.send(result).ok();
        }
    }
    // A server that does not receive the disconnect sees the connection end.
    timeout(GOODBYE, client.disconnect()).await.ok();
}

enum ConnectOutcome {
    Accepted,
    /// With the library's message: it has no type for the reason.
    Refused(String),
}

/// Opens the connection and waits for the server's decision on the namespace.
async fn connect(
    endpoint: &Endpoint,
    events: mpsc::Sender<SocketEvent>,
) -> Result<Client, SocketError> {
    let url = &endpoint.url;
    // The library's errors may quote the URL, which contains the token.
    let cannot = |reason: String| SocketError::Connect {
        url: url.clone(),
        reason: redact(&reason, endpoint),
    };
    let mut address = reqwest::Url::parse(url).map_err(|error| cannot(error.to_string()))?;
    let secure = address.scheme() == "https";
    address
        .query_pairs_mut()
        .append_pair("token", endpoint.token.expose());
    let (verdict, mut verdicts) = mpsc::channel::<ConnectOutcome>(1);
    let last_error: Arc<Mutex<Option<String>>> = Arc::default();

    let on_connect = verdict.clone();
    let on_error = (verdict, last_error.clone(), endpoint.clone());
    let on_end = (events.clone(), last_error);
    let mut builder = ClientBuilder::new(address)
        .transport_type(TransportType::Websocket)
        .reconnect(true)
        .reconnect_on_disconnect(true)
        .on(Event::Connect, move |_, _| {
            // Only the first decision counts; it fills the queue.
            on_connect.try_send(ConnectOutcome::Accepted).ok();
            async {}.boxed()
        })
        .on(Event::Error, move |arguments, _| {
            let (verdict, last_error, endpoint) = &on_error;
            let text = redact(&text_of(&arguments), endpoint);
            verdict.try_send(ConnectOutcome::Refused(text.clone())).ok();
            *last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
            async {}.boxed()
        })
        .on_any(move |event, arguments, _| {
            let events = events.clone();
            async move {
                // Fails if the socket was dropped; the thread ends then.
                events.send(read(&event, arguments)).await.ok();
            }
            .boxed()
        })
        .on_reconnect(move || {
            let (events, last_error) = on_end.clone();
            async move {
                let reason = last_error
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .take();
                let reason = reason.unwrap_or_else(|| "the server ended the connection".to_owned());
                // As above.
                events.send(SocketEvent::Closed(reason)).await.ok();
                // Never returns: the link opens another socket, and this runtime is dropped.
                pending().await
            }
            .boxed()
        });
    if secure {
        let connector = Trust::read(endpoint.ca_file.as_deref())
            .and_then(|trust| trust.library_connector())
            .map_err(|error| cannot(error.to_string()))?;
        builder = builder.tls_config(connector);
    }
    let refused = |reason: String| SocketError::Refused {
        url: url.clone(),
        reason: redact(&reason, endpoint),
    };
    let client = builder.connect().await.map_err(|error| {
        let reason = chain(&error);
        if reason.contains("401") || reason.contains("403") {
            refused(reason)
        } else {
            cannot(reason)
        }
    })?;
    match verdicts.recv().await {
        Some(ConnectOutcome::Accepted) => Ok(client),
        Some(ConnectOutcome::Refused(reason)) if reason.contains("ConnectError") => {
            Err(refused(reason))
        }
        Some(ConnectOutcome::Refused(reason)) => Err(cannot(reason)),
        None => Err(cannot("the Socket.IO library gave up".to_owned())),
    }
}

/// Translates an event of the library.
fn read(event: &Event, arguments: Arguments) -> SocketEvent {
    let Arguments::Text(mut arguments) = arguments else {
        return SocketEvent::Unexpected(format!("binary event {:?}", excerpt(event.as_str())));
    };
    if arguments.is_empty() {
        return SocketEvent::Unexpected(format!(
            "event {:?} without content",
            excerpt(event.as_str())
        ));
    }
    let content = arguments.swap_remove(0);
    match (event.as_str(), content) {
        ("subscribed", Value::Array(ids)) => SocketEvent::Subscribed(
            ids.into_iter()
                .filter_map(|id| match id {
                    Value::String(id) => Some(ChannelId::from_wire(id)),
                    _ => None,
                })
                .collect(),
        ),
        ("broadcast", Value::Object(fields)) => read_broadcast(fields),
        ("subscribe_error", content) => super::event::refused(&content.to_string()),
        (name, _) => SocketEvent::Unexpected(format!("event {:?}", excerpt(name))),
    }
}

fn read_broadcast(mut fields: serde_json::Map<String, Value>) -> SocketEvent {
    let mut text = |key: &str| match fields.get_mut(key).map(Value::take) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    match (text("id"), text("name"), text("channel")) {
        (id, Some(name), Some(channel)) => SocketEvent::Broadcast(Broadcast {
            id: BroadcastId::new(id.unwrap_or_default()),
            name,
            channel: ChannelId::from_wire(channel),
            payload: Payload::from(fields.get_mut("payload").map_or(Value::Null, Value::take)),
        }),
        _ => SocketEvent::Unexpected("a broadcast without name or channel".to_owned()),
    }
}

fn text_of(arguments: &Arguments) -> String {
    match arguments {
        Arguments::Text(values) => match values.first() {
            Some(Value::String(text)) => excerpt(text),
            Some(other) => excerpt(&other.to_string()),
            None => String::new(),
        },
        _ => "binary content".to_owned(),
    }
}

/// An error with all its causes; the library's outer message alone is too vague.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    sentence(&text)
}
