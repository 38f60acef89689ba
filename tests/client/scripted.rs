//! A scripted daemon on a Unix socket, which can be stopped and started again.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use expd_client::Client;
use expd_proto as proto;
use expd_proto::network_server::{Network, NetworkServer};
use futures_util::Stream;
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::runtime::Runtime;
use tokio_stream::wrappers::{ReceiverStream, UnixListenerStream};
use tonic::{Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

pub type Script = tokio::sync::mpsc::Receiver<Result<proto::ListenEvent, Status>>;
pub type Events = tokio::sync::mpsc::Sender<Result<proto::ListenEvent, Status>>;

/// Requests that the daemon received, and the script of its answers.
#[derive(Clone, Default)]
pub struct Scripted {
    pub asked: Arc<Mutex<Vec<proto::ListenRequest>>>,
    /// One for each call of Listen.
    pub streams: Arc<Mutex<Vec<Script>>>,
    pub broadcasts: Arc<Mutex<Vec<proto::BroadcastRequest>>>,
}

impl Scripted {
    pub fn stream(&self) -> Events {
        let (events, script) = tokio::sync::mpsc::channel(16);
        self.streams.lock().unwrap().insert(0, script);
        events
    }

    pub fn resumes(&self) -> Vec<Option<(String, u64)>> {
        let asked = self.asked.lock().unwrap();
        let resumes = asked.iter().map(|request| {
            let resume = request.resume.as_ref();
            resume.map(|resume| (resume.log_id.clone(), resume.after))
        });
        resumes.collect()
    }
}

#[tonic::async_trait]
impl Network for Scripted {
    type ListenStream = Pin<Box<dyn Stream<Item = Result<proto::ListenEvent, Status>> + Send>>;

    async fn broadcast(
        &self,
        request: Request<proto::BroadcastRequest>,
    ) -> Result<Response<proto::BroadcastResponse>, Status> {
        let request = request.into_inner();
        let payload = request.payload.clone();
        let name = request.name.clone();
        self.broadcasts.lock().unwrap().push(request);
        match name.as_str() {
            "echo" => Ok(Response::new(proto::BroadcastResponse {
                responses: payload.into_iter().cycle().take(2).collect(),
            })),
            "hang" => std::future::pending().await,
            _ => {
                let mut details = ErrorDetails::new();
                details
                    .set_error_info(
                        "network.channel.forbidden",
                        "exp",
                        [("message".to_owned(), "Not yours.".to_owned())],
                    )
                    .set_retry_info(Some(Duration::from_secs(3)));
                Err(Status::with_error_details(
                    tonic::Code::PermissionDenied,
                    "EXP refuses the broadcast",
                    details,
                ))
            }
        }
    }

    async fn listen(
        &self,
        request: Request<proto::ListenRequest>,
    ) -> Result<Response<Self::ListenStream>, Status> {
        self.asked.lock().unwrap().push(request.into_inner());
        let script = self.streams.lock().unwrap().pop();
        let script = script.ok_or_else(|| Status::not_found("no instance of that name"))?;
        Ok(Response::new(Box::pin(ReceiverStream::new(script))))
    }

    async fn respond(
        &self,
        _: Request<proto::RespondRequest>,
    ) -> Result<Response<proto::RespondResponse>, Status> {
        Err(Status::failed_precondition("the response came too late"))
    }

    async fn open_listener(
        &self,
        _: Request<proto::ListenRequest>,
    ) -> Result<Response<proto::OpenListenerResponse>, Status> {
        Ok(Response::new(proto::OpenListenerResponse {
            listener_id: "opened".into(),
        }))
    }

    async fn next_event(
        &self,
        request: Request<proto::NextEventRequest>,
    ) -> Result<Response<proto::NextEventResponse>, Status> {
        let wait = request.into_inner().wait.unwrap_or_default();
        let event = (wait.seconds > 0).then(|| subscription("log", 1));
        Ok(Response::new(proto::NextEventResponse { event }))
    }

    async fn cancel_listener(
        &self,
        _: Request<proto::CancelListenerRequest>,
    ) -> Result<Response<proto::CancelListenerResponse>, Status> {
        Ok(Response::new(proto::CancelListenerResponse {}))
    }

    async fn clear_context(
        &self,
        _: Request<proto::ClearContextRequest>,
    ) -> Result<Response<proto::ClearContextResponse>, Status> {
        Ok(Response::new(proto::ClearContextResponse { cancelled: 4 }))
    }
}

/// A daemon's socket, and who serves it now: a runtime of its own, so that all its connections end
/// with it.
pub struct Daemon {
    pub scripted: Scripted,
    pub socket: PathBuf,
    pub running: Option<Runtime>,
    pub _folder: TempDir,
}

impl Daemon {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut daemon = Self {
            scripted: Scripted::default(),
            socket: folder.path().join("expd.sock"),
            running: None,
            _folder: folder,
        };
        daemon.start_again();
        daemon
    }

    pub fn start_again(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = {
            let _inside = runtime.enter();
            UnixListener::bind(&self.socket).unwrap()
        };
        let service = NetworkServer::new(self.scripted.clone())
            .max_decoding_message_size(usize::MAX)
            .max_encoding_message_size(usize::MAX);
        runtime.spawn(async move {
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(UnixListenerStream::new(listener))
                .await
                .unwrap();
        });
        self.running = Some(runtime);
    }

    /// As SIGKILL would, its connections break without a word.
    pub fn kill(&mut self) {
        self.running.take().unwrap().shutdown_background();
        std::fs::remove_file(&self.socket).unwrap();
    }

    pub async fn client(&self) -> Client {
        Client::connect(Some(self.socket.clone())).await.unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(runtime) = self.running.take() {
            runtime.shutdown_background();
        }
    }
}

pub fn event(sequence: u64, event: proto::listen_event::Event) -> proto::ListenEvent {
    proto::ListenEvent {
        sequence,
        event: Some(event),
    }
}

pub fn subscription(log_id: &str, sequence: u64) -> proto::ListenEvent {
    let subscription = proto::Subscription {
        state: proto::subscription::State::Confirmed.into(),
        log_id: log_id.into(),
        ..proto::Subscription::default()
    };
    event(
        sequence,
        proto::listen_event::Event::Subscription(subscription),
    )
}

pub fn broadcast(id: &str, sequence: u64) -> proto::ListenEvent {
    let broadcast = proto::Broadcast {
        id: id.into(),
        channel: Some(proto::Channel::default()),
        ..proto::Broadcast::default()
    };
    event(sequence, proto::listen_event::Event::Broadcast(broadcast))
}

pub fn restarted(sequence: u64) -> proto::ListenEvent {
    let gap = proto::Gap {
        reason: proto::gap::Reason::Restarted.into(),
        ..proto::Gap::default()
    };
    event(sequence, proto::listen_event::Event::Gap(gap))
}
