#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod broadcast;
mod error;
mod event;
mod pull;
mod resume;
pub mod socket_path;
mod status;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::Streaming;
use tonic::transport::{Channel as Transport, Endpoint};
use tower::service_fn;

use expd_domain::{BroadcastId, Channel, ChannelId, Payload};
use expd_proto as proto;
use expd_proto::api_client::ApiClient;
use expd_proto::daemon_client::DaemonClient;
use expd_proto::network_client::NetworkClient;

pub use error::{ClientError, ExpError, Refusal};
pub use event::{Broadcast, Event, Gap, ListenEvent, Subscription, Time};
pub use expd_domain::{Fate, GapReason, LinkState, Overflow, SubscriptionState};
pub use pull::PullListener;
pub use resume::{Heard, ResumingListener};
pub use socket_path::{SocketEnvironment, SocketPath, UnsafeFolder};
use status::Pages;
pub use status::{
    ChannelStatus, Counters, Identity, InstanceStatus, LinkEvent, LinkStatus, ListenerStatus,
    Status,
};
pub use tonic::Code;

/// The largest message taken from the daemon: a payload at its longest, with its envelope and a list of many responses.
const MAX_MESSAGE_BYTES: usize = 20 << 20;

/// What one stream may have on its way before the client has read it; larger than HTTP/2's 64 KiB, so that the daemon can
/// write whole batches.
const STREAM_WINDOW: u32 = 1 << 20;

/// What all streams of the connection may have on their way.
const CONNECTION_WINDOW: u32 = 4 << 20;

/// How long the daemon may take to accept the connection. A live one takes well under a millisecond.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the daemon may take over a question that it answers from memory.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection to the daemon. Clones share it; it is made again by itself when a call finds it gone.
#[derive(Clone, Debug)]
pub struct Client {
    transport: Transport,
    path: PathBuf,
}

/// What to listen for.
#[derive(Clone, Debug)]
pub struct Listen {
    /// The configured identity; empty for the default one.
    pub instance: String,
    /// Where.
    pub channel: Channel,
    /// Only events of this name; empty for all.
    pub name: String,
    /// A tag by which [`Client::clear_context`] ends a group of listeners; empty for none.
    pub context: String,
    /// Skip what is older than this.
    pub max_age: Option<Duration>,
    /// What happens when this listener is too slow.
    pub overflow: Overflow,
    /// Go on where an earlier stream ended.
    pub resume: Option<Position>,
}

impl Listen {
    /// Every event of a channel, on the default instance.
    pub fn to(channel: Channel) -> Self {
        Self {
            instance: String::new(),
            channel,
            name: String::new(),
            context: String::new(),
            max_age: None,
            overflow: Overflow::Skip,
            resume: None,
        }
    }
}

/// A position in a channel's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Which log.
    pub log_id: String,
    /// The sequence of the last event that was dealt with.
    pub after: u64,
}

/// EXP's answer to a request that it did carry out or refuse.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiAnswer {
    /// The HTTP status, below 500.
    pub status: u32,
    /// The answer's JSON, where there was a body.
    pub body: Option<Payload>,
}

impl Client {
    /// Connects to the daemon at `socket`, or where this machine's rules say ([`SocketPath::default_in`]).
    ///
    /// # Errors
    /// [`ClientError::NotReachable`], or [`ClientError::UnsafeFolder`] where somebody else could pose as the daemon.
    pub async fn connect(socket: Option<PathBuf>) -> Result<Self, ClientError> {
        let socket = match socket {
            Some(path) => SocketPath::named(path),
            None => SocketPath::default_in(&SocketEnvironment::from_process()),
        };
        socket.check_folder()?;
        let path = socket.path;
        let endpoint = Endpoint::from_static("http://localhost") // the authority; servers refuse a path there
            .connect_timeout(CONNECT_TIMEOUT)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        let target = path.clone();
        let connector = service_fn(move |_| {
            let target = target.clone();
            async move {
                UnixStream::connect(target)
                    .await
                    .map(TokioIo::new)
                    .map_err(error::ConnectFailed)
            }
        });
        match endpoint.connect_with_connector(connector).await {
            Ok(transport) => Ok(Self { transport, path }),
            Err(error) => Err(ClientError::from_transport(&path, &error)),
        }
    }

    /// The socket it is connected to.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Hears what is broadcast. The stream ends with an error; [`ResumingListener`] goes on after those that pass.
    pub async fn listen(&self, listen: &Listen) -> Result<EventStream, ClientError> {
        let answer = self.network().listen(event::listen_to_wire(listen)?).await;
        Ok(EventStream {
            events: self.taken(answer)?,
            path: self.path.clone(),
        })
    }

    /// Answers a broadcast that was heard.
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
            payload: Some(event::payload_to_wire(payload)),
        };
        let answer = self.network().respond(request).await;
        self.taken(answer).map(|_| ())
    }

    /// Opens a listener that the daemon keeps, for [`Client::next`]; [`Client::pull`] opens one that loses nothing.
    pub async fn open(&self, listen: &Listen) -> Result<String, ClientError> {
        let request = event::listen_to_wire(listen)?;
        let answer = self.network().open_listener(request).await;
        Ok(self.taken(answer)?.listener_id)
    }

    /// The next event of an opened listener, waiting for it at most as long as said. Where its answer does not arrive, the event is
    /// lost: [`PullListener::next`] tells the daemon what arrived.
    pub async fn next(
        &self,
        listener: &str,
        wait: Duration,
    ) -> Result<Option<ListenEvent>, ClientError> {
        let request = proto::NextEventRequest {
            listener_id: listener.to_owned(),
            wait: Some(event::duration_to_wire(wait)?),
            after: None,
            repeat: false,
        };
        let answer = self.network().next_event(request).await;
        self.taken(answer)?
            .event
            .map(event::event_from_wire)
            .transpose()
    }

    /// Ends a listener, opened or streaming.
    pub async fn cancel(&self, listener: &str) -> Result<(), ClientError> {
        let request = proto::CancelListenerRequest {
            listener_id: listener.to_owned(),
        };
        let answer = self.network().cancel_listener(request).await;
        self.taken(answer).map(|_| ())
    }

    /// Ends every listener of a context, over all instances; says how many.
    pub async fn clear_context(&self, context: &str) -> Result<u32, ClientError> {
        let request = proto::ClearContextRequest {
            context: context.to_owned(),
        };
        let answer = self.network().clear_context(request).await;
        Ok(self.taken(answer)?.cancelled)
    }

    /// One request to EXP's HTTP API.
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
            body: body.map(event::payload_to_wire),
            payload_form: proto::PayloadForm::Json.into(),
        };
        let answer = self.api().request(request).await;
        let answer = self.taken(answer)?;
        Ok(ApiAnswer {
            status: answer.status,
            body: answer.body.map(event::payload_from_wire).transpose()?,
        })
    }

    /// Who an instance is logged in as.
    pub async fn identity(&self, instance: &str) -> Result<Identity, ClientError> {
        let mut request = tonic::Request::new(proto::GetIdentityRequest {
            instance: instance.to_owned(),
        });
        request.set_timeout(ANSWER_TIMEOUT);
        let answer = self.api().get_identity(request).await;
        status::identity_from_wire(self.taken(answer)?)
    }

    /// What the daemon is doing: all pages of it, which are one moment's up to some thousand channels and listeners.
    pub async fn status(&self) -> Result<Status, ClientError> {
        let mut pages = Pages::default();
        let mut page_token = String::new();
        loop {
            let mut request = tonic::Request::new(proto::GetStatusRequest {
                page_size: 0,
                page_token: page_token.clone(),
            });
            request.set_timeout(ANSWER_TIMEOUT);
            let page = self.taken(self.daemon().get_status(request).await)?;
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

    /// The state of every link: as it is now, then each change.
    pub async fn watch_status(
        &self,
    ) -> Result<impl Stream<Item = Result<LinkEvent, ClientError>> + Send + use<>, ClientError>
    {
        let answer = self
            .daemon()
            .watch_status(proto::WatchStatusRequest {})
            .await;
        let events = self.taken(answer)?;
        let path = self.path.clone();
        Ok(events.map(move |event| match event {
            Ok(event) => status::link_event_from_wire(event),
            Err(status) => Err(ClientError::from_status(&path, &status)),
        }))
    }

    fn taken<T>(
        &self,
        answer: Result<tonic::Response<T>, tonic::Status>,
    ) -> Result<T, ClientError> {
        match answer {
            Ok(response) => Ok(response.into_inner()),
            Err(status) => Err(ClientError::from_status(&self.path, &status)),
        }
    }

    // What a program sends is bounded by its own memory, and refused by the daemon with words that name the limit.
    fn network(&self) -> NetworkClient<Transport> {
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

/// The events of one listener, for as long as its connection to the daemon lasts. Dropping it ends the listener.
#[derive(Debug)]
pub struct EventStream {
    events: Streaming<proto::ListenEvent>,
    path: PathBuf,
}

impl Stream for EventStream {
    type Item = Result<ListenEvent, ClientError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = Pin::new(&mut self.events).poll_next(cx);
        polled.map(|next| {
            next.map(|event| match event {
                Ok(event) => event::event_from_wire(event),
                Err(status) => Err(ClientError::from_status(&self.path, &status)),
            })
        })
    }
}
