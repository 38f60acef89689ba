//! The connection to the daemon, and calls over it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use hyper_util::rt::TokioIo;
use tonic::Streaming;
use tonic::transport::Endpoint;
use tower::service_fn;

use expd_domain::{BroadcastId, ChannelId, Payload};
use expd_proto as proto;
use expd_proto::api_client::ApiClient;
use expd_proto::daemon_client::DaemonClient;
use expd_proto::network_client::NetworkClient;

use crate::address::Address;
use crate::connection::DaemonStream;
use crate::content::Content;
use crate::convert::{duration_to_wire, payload_from_wire, payload_to_wire};
use crate::error::{ClientError, ConnectFailed};
use crate::event::ListenEvent;
use crate::explain::{Explain, Explanation};
use crate::listen::Listen;
use crate::run::{RunInstance, RunningInstance};
use crate::socket_path::{SocketEnvironment, SocketPath};
use crate::status::{Identity, LinkEvent, Pages, Status};
use crate::transport::{Transport, token_from_environment};

/// Maximum size of a message from the daemon: the largest payload with its envelope, or many
/// responses.
const MAX_MESSAGE_BYTES: usize = 20 << 20;

/// Flow-control window of a stream. Larger than HTTP/2's 64 KiB, so that the daemon can write whole
/// batches.
const STREAM_WINDOW: u32 = 1 << 20;

/// Flow-control window of each of many streams, whose programs may be slow: at most this much waits
/// in the program instead of the daemon's log.
const SMALL_STREAM_WINDOW: u32 = 128 << 10;

/// Flow-control window of the connection, for all its streams together. It limits nothing beyond
/// the streams' own windows: unread streams must not block the others.
const CONNECTION_WINDOW: u32 = 1 << 30;

/// Timeout of connecting. A live daemon takes well under a millisecond.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Timeout of calls that the daemon answers from memory.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Timeout of a reload, which waits for earlier reloads.
const RELOAD_TIMEOUT: Duration = Duration::from_secs(60);

/// A connection to the daemon. Clones share it. A call reopens it if it is closed.
#[derive(Clone, Debug)]
pub struct Client {
    transport: Transport,
    path: PathBuf,
}

/// EXP's response to an API request, including refusals.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiAnswer {
    /// The HTTP status, below 500.
    pub status: u32,
    /// The response's JSON; `None` if it had no body, or a body that is not JSON.
    pub body: Option<Payload>,
    /// The bytes of a body that is not JSON; empty otherwise.
    pub raw: Bytes,
    /// The `Content-Type` of `raw`.
    pub content_type: String,
}

impl Client {
    /// Connects to the daemon at `socket`, or at the default path ([`SocketPath::default_in`]).
    ///
    /// The daemon's loopback address may be given in place of a path, as in
    /// `http://127.0.0.1:9100`. Calls then send the token in the file `EXPD_TOKEN_FILE`, else in
    /// `EXPD_TOKEN`.
    ///
    /// # Errors
    /// [`ClientError::NotReachable`]; [`ClientError::UnsafeFolder`] if another user could pose as
    /// the daemon; [`ClientError::Request`] for an invalid address.
    pub async fn connect(socket: Option<PathBuf>) -> Result<Self, ClientError> {
        Self::connect_with(socket, STREAM_WINDOW).await
    }

    /// Connects as [`connect`](Self::connect) does, for listeners that may be slow.
    pub(crate) async fn connect_for_many_listeners(
        socket: Option<PathBuf>,
    ) -> Result<Self, ClientError> {
        Self::connect_with(socket, SMALL_STREAM_WINDOW).await
    }

    async fn connect_with(socket: Option<PathBuf>, window: u32) -> Result<Self, ClientError> {
        let socket = match socket {
            Some(path) => SocketPath::named(path),
            None => SocketPath::default_in(&SocketEnvironment::from_process()),
        };
        socket.check_folder()?;
        let path = socket.path;
        // Used as the authority: HTTP/2 servers refuse a socket's path there.
        let endpoint = Endpoint::from_static("http://localhost")
            .connect_timeout(CONNECT_TIMEOUT)
            .initial_stream_window_size(window)
            .initial_connection_window_size(CONNECTION_WINDOW);
        let target = Address::of(&path);
        let target = target.map_err(|error| ClientError::Request(error.to_string()))?;
        let token = match &target {
            Address::Unix(_) => None,
            Address::Tcp(_) => token_from_environment()?,
        };
        let connector = service_fn(move |_| {
            let target = target.clone();
            async move {
                DaemonStream::connect(&target)
                    .await
                    .map(TokioIo::new)
                    .map_err(ConnectFailed)
            }
        });
        match endpoint.connect_with_connector(connector).await {
            Ok(channel) => Ok(Self {
                transport: Transport::new(channel, token.as_ref())?,
                path,
            }),
            Err(error) => Err(ClientError::from_transport(&path, &error)),
        }
    }

    /// Path of the daemon's socket.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a stream of a channel's events. It ends with an error;
    /// [`ResumingListener`](crate::ResumingListener) reconnects after transient ones.
    pub async fn listen(&self, listen: &Listen) -> Result<EventStream, ClientError> {
        let answer = self.network().listen(listen.to_wire()?).await;
        Ok(EventStream {
            events: self.message_of("Network.Listen", answer)?,
            path: self.path.clone(),
        })
    }

    /// Responds to a broadcast that a listener received.
    pub async fn respond(
        &self,
        instance: &str,
        broadcast: &BroadcastId,
        channel: &ChannelId,
        payload: &Payload,
    ) -> Result<(), ClientError> {
        let request = proto::RespondRequest {
            instance: instance.to_owned(),
            broadcast_id: broadcast.as_str().to_owned(),
            channel_id: channel.as_str().to_owned(),
            payload: Some(payload_to_wire(payload)),
        };
        let answer = self.network().respond(request).await;
        self.message_of("Network.Respond", answer).map(|_| ())
    }

    /// Opens a listener that the daemon keeps for [`Client::next`], and returns its ID.
    /// [`Client::pull`] opens one that loses no event.
    pub async fn open(&self, listen: &Listen) -> Result<String, ClientError> {
        let request = listen.to_wire()?;
        let answer = self.network().open_listener(request).await;
        Ok(self.message_of("Network.OpenListener", answer)?.listener_id)
    }

    /// Takes the next event of an opened listener, waiting for it for up to `wait`. If the response
    /// does not arrive, the event is lost; [`PullListener::next`](crate::PullListener::next)
    /// acknowledges events instead.
    pub async fn next(
        &self,
        listener: &str,
        wait: Duration,
    ) -> Result<Option<ListenEvent>, ClientError> {
        let request = proto::NextEventRequest {
            listener_id: listener.to_owned(),
            wait: Some(duration_to_wire(wait)?),
            after: None,
            repeat: false,
        };
        let answer = self.network().next_event(request).await;
        let event = self.message_of("Network.NextEvent", answer)?.event;
        event.map_or(Ok(None), ListenEvent::from_wire)
    }

    /// Ends a listener, streaming or opened.
    pub async fn cancel(&self, listener: &str) -> Result<(), ClientError> {
        let request = proto::CancelListenerRequest {
            listener_id: listener.to_owned(),
        };
        let answer = self.network().cancel_listener(request).await;
        self.message_of("Network.CancelListener", answer)
            .map(|_| ())
    }

    /// Ends every listener of a context, over all instances, and returns their number.
    pub async fn clear_context(&self, context: &str) -> Result<u32, ClientError> {
        let request = proto::ClearContextRequest {
            context: context.to_owned(),
        };
        let answer = self.network().clear_context(request).await;
        Ok(self.message_of("Network.ClearContext", answer)?.cancelled)
    }

    /// Sends a request to EXP's HTTP API with the daemon's session.
    pub async fn request(
        &self,
        instance: &str,
        method: &str,
        path: &str,
        query: BTreeMap<String, String>,
        body: Option<&Payload>,
    ) -> Result<ApiAnswer, ClientError> {
        let request = proto::ApiRequest {
            instance: instance.to_owned(),
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.into_iter().collect(),
            body: body.map(payload_to_wire),
            payload_form: proto::PayloadForm::Json.into(),
        };
        let answer = self.api().request(request).await;
        let answer = self.message_of("Api.Request", answer)?;
        Ok(ApiAnswer {
            status: answer.status,
            body: answer.body.map(payload_from_wire).transpose()?,
            raw: answer.raw,
            content_type: answer.content_type,
        })
    }

    /// Gets content of any size, from the byte at `offset` on: the response to a GET of `path` with
    /// the daemon's session. Any status but a success is an error.
    pub async fn fetch(
        &self,
        instance: &str,
        path: &str,
        query: BTreeMap<String, String>,
        offset: u64,
    ) -> Result<Content, ClientError> {
        let request = proto::FetchRequest {
            instance: instance.to_owned(),
            path: path.to_owned(),
            query: query.into_iter().collect(),
            offset,
        };
        let answer = self.api().fetch(request).await;
        Content::new(self.message_of("Api.Fetch", answer)?, self.path.clone()).await
    }

    /// URL from which a page or a player loads content by itself. It contains a token: anyone who
    /// has it may read content. `path` is the content's path, or begins with `/api/`.
    pub async fn content_url(
        &self,
        instance: &str,
        path: &str,
        variant: &str,
    ) -> Result<String, ClientError> {
        let request = proto::GetContentUrlRequest {
            instance: instance.to_owned(),
            path: path.to_owned(),
            variant: variant.to_owned(),
        };
        let answer = self.api().get_content_url(request).await;
        Ok(self.message_of("Api.GetContentUrl", answer)?.url)
    }

    /// The identity that an instance is logged in as.
    pub async fn identity(&self, instance: &str) -> Result<Identity, ClientError> {
        let mut request = tonic::Request::new(proto::GetIdentityRequest {
            instance: instance.to_owned(),
        });
        request.set_timeout(ANSWER_TIMEOUT);
        let answer = self.api().get_identity(request).await;
        Identity::from_wire(self.message_of("Api.GetIdentity", answer)?)
    }

    /// State of the daemon. Up to some thousand channels and listeners fit on one page, which is a
    /// snapshot; larger states are read page by page.
    pub async fn status(&self) -> Result<Status, ClientError> {
        let mut pages = Pages::default();
        let mut page_token = String::new();
        loop {
            let mut request = tonic::Request::new(proto::GetStatusRequest {
                page_size: 0,
                page_token: page_token.clone(),
            });
            request.set_timeout(ANSWER_TIMEOUT);
            let page =
                self.message_of("Daemon.GetStatus", self.daemon().get_status(request).await)?;
            let next = page.next_page_token.clone();
            pages.add(page)?;
            if next.is_empty() {
                return Ok(pages.whole());
            }
            if next == page_token {
                return Err(ClientError::Contract("a page that leads to itself".into()));
            }
            page_token = next;
        }
    }

    /// Asks whether the daemon's access rules allow an action, and which rule decides.
    pub async fn explain(&self, question: &Explain) -> Result<Explanation, ClientError> {
        let mut request = tonic::Request::new(question.to_wire());
        request.set_timeout(ANSWER_TIMEOUT);
        let answer = self.daemon().explain(request).await;
        let answer = self.message_of("Daemon.Explain", answer)?;
        Ok(Explanation::from_wire(answer))
    }

    /// Makes the daemon read its settings again, and waits until they apply. Returns the changed
    /// keys that need a restart of the daemon.
    ///
    /// # Errors
    /// The settings have mistakes, and nothing changed; or this user may not reload: only root and
    /// the daemon's own user may.
    pub async fn reload(&self) -> Result<Vec<String>, ClientError> {
        let mut request = tonic::Request::new(proto::ReloadRequest {});
        request.set_timeout(RELOAD_TIMEOUT);
        let answer = self.daemon().reload(request).await;
        Ok(self.message_of("Daemon.Reload", answer)?.needs_restart)
    }

    /// Stream of the states of all links: the current states first, then each change.
    pub async fn watch_status(
        &self,
    ) -> Result<impl Stream<Item = Result<LinkEvent, ClientError>> + Send + use<>, ClientError>
    {
        let answer = self
            .daemon()
            .watch_status(proto::WatchStatusRequest {})
            .await;
        let events = self.message_of("Daemon.WatchStatus", answer)?;
        let path = self.path.clone();
        Ok(events.filter_map(move |event| {
            let event = match event {
                Ok(event) => LinkEvent::from_wire(event).map(Ok),
                Err(status) => Some(Err(ClientError::from_status(
                    &path,
                    "Daemon.WatchStatus",
                    &status,
                ))),
            };
            std::future::ready(event)
        }))
    }

    /// Runs an identity as an additional instance of the daemon, until the returned stream is
    /// dropped. Calls may name it once this has returned.
    pub async fn run_instance(&self, run: &RunInstance) -> Result<RunningInstance, ClientError> {
        let answer = self.daemon().run_instance(run.to_wire()).await;
        Ok(RunningInstance {
            events: self.message_of("Daemon.RunInstance", answer)?,
            path: self.path.clone(),
        })
    }

    pub(crate) fn message_of<T>(
        &self,
        call: &'static str,
        answer: Result<tonic::Response<T>, tonic::Status>,
    ) -> Result<T, ClientError> {
        match answer {
            Ok(response) => Ok(response.into_inner()),
            Err(status) => Err(ClientError::from_status(&self.path, call, &status)),
        }
    }

    // The daemon refuses a message that is too large, and names the limit; a limit here would only
    // hide that.
    pub(crate) fn network(&self) -> NetworkClient<Transport> {
        NetworkClient::new(self.transport.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(usize::MAX)
    }

    fn api(&self) -> ApiClient<Transport> {
        ApiClient::new(self.transport.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(usize::MAX)
    }

    fn daemon(&self) -> DaemonClient<Transport> {
        DaemonClient::new(self.transport.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }
}

/// Events of a listener, until the connection to the daemon ends. Dropping the stream ends the
/// listener.
#[derive(Debug)]
pub struct EventStream {
    events: Streaming<proto::ListenEvent>,
    path: PathBuf,
}

impl Stream for EventStream {
    type Item = Result<ListenEvent, ClientError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Some(next) = ready!(Pin::new(&mut self.events).poll_next(cx)) else {
                return Poll::Ready(None);
            };
            let event = match next {
                Ok(event) => ListenEvent::from_wire(event).transpose(),
                Err(status) => Some(Err(ClientError::from_status(
                    &self.path,
                    "Network.Listen",
                    &status,
                ))),
            };
            // An event of a newer daemon's kind is skipped.
            if let Some(event) = event {
                return Poll::Ready(Some(event));
            }
        }
    }
}
