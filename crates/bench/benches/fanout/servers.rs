//! Servers of the streams: the daemon fed at the point where its link would hand broadcasts over,
//! and the plain server that it is compared with.

use std::fmt::Debug;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use expd::config::{
    ChannelIdSpelling, Credentials, InstanceSettings, ProtocolChoice, Settings, TransportChoice,
};
use expd::daemon::{self, Listeners, ServeParts};
use expd::ipc::{self, Listener, SocketPath};
use expd::router::{Incoming, InstanceId, Moment, Report, RouterHandle};
use expd_bench::load::{self, Fed, Sink};
use expd_domain::{Alphabet, Broadcast, BroadcastId, Channel, ChannelId, Payload, Secret};
use expd_proto as proto;
use expd_proto::network_server::{Network, NetworkServer};
use futures_util::Stream;
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_stream::wrappers::{ReceiverStream, UnixListenerStream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

/// The whole daemon, logged in and subscribed; broadcasts are inserted where the link hands them
/// over.
pub async fn daemon(folder: &Path, port: u16) {
    let mut settings = Settings::default();
    let credentials = Credentials::Device {
        uuid: Some("screen".to_owned()),
        secret: Some(Secret::new("secret")),
        allow_pairing: false,
    };
    let mut instance = InstanceSettings::new(format!("http://127.0.0.1:{port}"), credentials);
    instance.transport = TransportChoice::Websocket;
    instance.protocol = ProtocolChoice::V3;
    instance.channel_id = ChannelIdSpelling::UrlSafe;
    settings.instances.insert("default".to_owned(), instance);
    let place = SocketPath::named(folder.join("socket"));
    let mut listeners = Listeners::default();
    listeners.add(Listener::unix(ipc::bind(&place, 0o600, None).unwrap()).unwrap());
    let credit = load::credit(&folder.join("server-credit"));
    let (give, take) = oneshot::channel();
    let parts = ServeParts::new(&settings, listeners, CancellationToken::new());
    let serving = daemon::serve(parts, |running| {
        give.send(running.bridges.get("").unwrap().router.clone())
            .ok();
        println!("ready");
    });
    // A task like the link, on the thread that delivers.
    let feeding = in_task(async move {
        let channel = Channel::new("menu");
        let mut feed = Handover {
            router: take.await.unwrap(),
            id: ChannelId::encode("demo", &channel, Alphabet::UrlSafe),
            channel: Arc::new(channel),
        };
        load::feed(load::order().await, &mut feed, credit).await
    });
    serve(serving, feeding).await;
}

/// Serves until it is stopped, and reports the result of the feed.
async fn serve<E: Debug>(
    serving: impl Future<Output = Result<(), E>>,
    feeding: impl Future<Output = Fed>,
) {
    let feeding = async {
        println!("{}", serde_json::to_string(&feeding.await).unwrap());
        std::future::pending::<()>().await;
    };
    tokio::select! {
        result = serving => result.unwrap(),
        () = feeding => {}
    }
}

/// Feeds from a task of the runtime.
async fn in_task(feeding: impl Future<Output = Fed> + Send + 'static) -> Fed {
    let mut task = JoinSet::new();
    task.spawn(feeding);
    task.join_next().await.unwrap().unwrap()
}

struct Handover {
    router: RouterHandle,
    channel: Arc<Channel>,
    id: ChannelId,
}

impl Sink for Handover {
    async fn send(&mut self, payloads: Vec<Payload>) {
        let (received, received_at) = (Moment::now(), SystemTime::now());
        let broadcasts = payloads.into_iter().map(|payload| Incoming {
            channel: self.channel.clone(),
            broadcast: Broadcast {
                id: BroadcastId::new("5f0c2f9e6f"),
                name: "tick".to_owned(),
                channel: self.id.clone(),
                payload,
            },
            received,
            received_at,
        });
        let report = Report::Broadcasts(broadcasts.collect());
        self.router.report(InstanceId(0), report).await;
    }
}

type Sender = mpsc::Sender<Result<proto::ListenEvent, Status>>;

/// The obvious server: a queue for each stream, the message cloned into each, encoded by the
/// generated code.
#[derive(Clone, Default)]
struct Plain(Arc<Mutex<Vec<Sender>>>);

/// The plain server.
pub async fn plain(folder: &Path) {
    let plain = Plain::default();
    let listener = UnixListener::bind(folder.join("socket")).unwrap();
    let credit = load::credit(&folder.join("server-credit"));
    println!("ready");
    let serving = tonic::transport::Server::builder()
        .add_service(NetworkServer::new(plain.clone()))
        .serve_with_incoming(UnixListenerStream::new(listener));
    let feeding = async {
        let load = load::order().await;
        let mut feed = plain.clone();
        let feeding = async move { load::feed(load, &mut feed, credit).await };
        // The variant that is fastest under the loads with targets: paced from a task like expd's
        // link; at full speed from a dedicated thread, which makes it twice as fast to 100 streams
        // (and a tenth slower to one or ten).
        if load.rate.is_some() {
            in_task(feeding).await
        } else {
            feeding.await
        }
    };
    serve(serving, feeding).await;
}

impl Sink for Plain {
    async fn send(&mut self, payloads: Vec<Payload>) {
        let streams = self.0.lock().unwrap().clone();
        for payload in payloads {
            let event = proto::ListenEvent {
                sequence: 1,
                event: Some(proto::listen_event::Event::Broadcast(proto::Broadcast {
                    id: "5f0c2f9e6f".to_owned(),
                    name: "tick".to_owned(),
                    channel: Some(proto::Channel {
                        name: "menu".to_owned(),
                        ..proto::Channel::default()
                    }),
                    channel_id: "WyJkZW1vIiwibWVudSIsMCwwXQ".to_owned(),
                    payload: Some(proto::Payload {
                        form: Some(proto::payload::Form::Json(payload.as_str().to_owned())),
                    }),
                    received_at: Some(std::time::SystemTime::now().into()),
                })),
            };
            for stream in &streams {
                // The stream may be gone.
                stream.send(Ok(event.clone())).await.ok();
            }
        }
    }
}

#[tonic::async_trait]
impl Network for Plain {
    type ListenStream = Pin<Box<dyn Stream<Item = Result<proto::ListenEvent, Status>> + Send>>;

    async fn listen(
        &self,
        _: Request<proto::ListenRequest>,
    ) -> Result<Response<Self::ListenStream>, Status> {
        let (sender, receiver) = mpsc::channel(1024);
        let begun = proto::Subscription {
            state: proto::subscription::State::Confirmed.into(),
            ..proto::Subscription::default()
        };
        let begun = proto::ListenEvent {
            sequence: 0,
            event: Some(proto::listen_event::Event::Subscription(begun)),
        };
        sender.try_send(Ok(begun)).unwrap();
        self.0.lock().unwrap().push(sender);
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn broadcast(
        &self,
        _: Request<proto::BroadcastRequest>,
    ) -> Result<Response<proto::BroadcastResponse>, Status> {
        Err(Status::unimplemented("not part of the measurement"))
    }

    async fn respond(
        &self,
        _: Request<proto::RespondRequest>,
    ) -> Result<Response<proto::RespondResponse>, Status> {
        Err(Status::unimplemented("not part of the measurement"))
    }

    async fn open_listener(
        &self,
        _: Request<proto::ListenRequest>,
    ) -> Result<Response<proto::OpenListenerResponse>, Status> {
        Err(Status::unimplemented("not part of the measurement"))
    }

    async fn next_event(
        &self,
        _: Request<proto::NextEventRequest>,
    ) -> Result<Response<proto::NextEventResponse>, Status> {
        Err(Status::unimplemented("not part of the measurement"))
    }

    async fn cancel_listener(
        &self,
        _: Request<proto::CancelListenerRequest>,
    ) -> Result<Response<proto::CancelListenerResponse>, Status> {
        Err(Status::unimplemented("not part of the measurement"))
    }

    async fn clear_context(
        &self,
        _: Request<proto::ClearContextRequest>,
    ) -> Result<Response<proto::ClearContextResponse>, Status> {
        Err(Status::unimplemented("not part of the measurement"))
    }
}
