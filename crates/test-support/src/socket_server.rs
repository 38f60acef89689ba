//! A Socket.IO server of both generations, on the engine of `expd-server`, whose events a test
//! answers.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use expd_server::body_memory::BodyMemory;
use expd_server::connection::ClientConnection;
use expd_server::engine::{
    EngineSessions, EngineSocket, Heartbeat, Packet, SocketEvent, SocketTerms, disconnect_packet,
    event,
};
use expd_server::engine_query::EngineQuery;
use expd_server::error::ApiError;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Limits of a client's message, and of the packets in a body of long polling.
const MAX_MESSAGE: usize = 20_000_000;
const MAX_PACKETS: usize = 1024;

/// Packets that wait for one client.
const OUTBOX: usize = 4096;

/// Time that a client has to take the end of its transport.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// An event of a client.
pub enum ClientEvent {
    Connected,
    /// Its name, and its first argument.
    Event(String, Value),
    Left,
}

/// An open socket.
#[derive(Clone)]
pub struct ServerSocket {
    pub id: u64,
    outbox: mpsc::Sender<Said>,
}

enum Said {
    Packet(Packet),
    Disconnect,
}

impl ServerSocket {
    /// Sends an event; nothing where the client has left.
    pub fn emit(&self, name: &str, argument: &Value) {
        self.say(Said::Packet(event(name, &argument.to_string())));
    }

    /// Disconnects the client after what it was sent before.
    pub fn disconnect(&self) {
        self.say(Said::Disconnect);
    }

    fn say(&self, said: Said) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.outbox.try_send(said) {
            panic!("{OUTBOX} packets wait for one client");
        }
    }
}

type Answer = dyn Fn(&ServerSocket, ClientEvent) + Send + Sync;

struct Shared {
    sessions: EngineSessions<()>,
    terms: Arc<SocketTerms>,
    answer: Box<Answer>,
    memory: BodyMemory,
    sockets: Mutex<HashMap<u64, ServerSocket>>,
    last: Mutex<u64>,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

/// Serves until it is dropped.
pub struct SocketServer {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    _task: JoinSet<()>,
}

impl SocketServer {
    /// Serves the router's routes, and live sockets, whose events `answer` is called with.
    pub async fn start(
        heartbeat: Heartbeat,
        router: Router,
        answer: impl Fn(&ServerSocket, ClientEvent) + Send + Sync + 'static,
    ) -> Self {
        let shared = Arc::new(Shared {
            sessions: EngineSessions::default(),
            terms: Arc::new(SocketTerms {
                heartbeat,
                max_message: MAX_MESSAGE,
                max_packets: MAX_PACKETS,
                memory: None,
                refusal: None,
            }),
            answer: Box::new(answer),
            memory: BodyMemory::default(),
            sockets: Mutex::default(),
            last: Mutex::default(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
        });
        let sockets = Router::new()
            .route("/socket.io/", any(serve))
            .with_state(shared.clone());
        let service = router
            .merge(sockets)
            .into_make_service_with_connect_info::<SocketAddr>();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut task = JoinSet::new();
        task.spawn(async move { axum::serve(listener, service).await.unwrap() });
        Self {
            address,
            shared,
            _task: task,
        }
    }

    /// The open sockets.
    pub fn sockets(&self) -> Vec<ServerSocket> {
        self.shared
            .sockets
            .lock()
            .unwrap()
            .values()
            .cloned()
            .collect()
    }
}

impl Drop for SocketServer {
    fn drop(&mut self) {
        self.shared.stopping.cancel();
    }
}

async fn serve(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let connection = ClientConnection::new(peer, CancellationToken::new());
    let opens = EngineQuery::of(request.uri()).is_some_and(EngineQuery::opens);
    let served = if opens {
        shared.open(request, &connection)
    } else {
        let (memory, tasks) = (&shared.memory, &shared.tasks);
        let served = shared
            .sessions
            .serve(request, &connection, memory, None, tasks);
        served.await
    };
    served.unwrap_or_else(ApiError::into_response)
}

impl Shared {
    fn open(
        self: &Arc<Self>,
        mut request: Request,
        connection: &ClientConnection,
    ) -> Result<Response, ApiError> {
        let terms = self.terms.clone();
        let opened = self
            .sessions
            .open_session(&mut request, connection, (), terms);
        let (response, opening) = opened?;
        let shared = self.clone();
        self.tasks.spawn(async move {
            if let Some(socket) = opening.socket().await {
                shared.run(socket).await;
            }
        });
        Ok(response)
    }

    async fn run(&self, mut socket: EngineSocket) {
        let (outbox, mut said) = mpsc::channel(OUTBOX);
        let id = {
            let mut last = self.last.lock().unwrap();
            *last += 1;
            *last
        };
        let handle = ServerSocket { id, outbox };
        self.sockets.lock().unwrap().insert(id, handle.clone());
        let disconnected = self.converse(&mut socket, &handle, &mut said).await;
        self.sockets.lock().unwrap().remove(&id);
        (self.answer)(&handle, ClientEvent::Left);
        if disconnected {
            socket.close(CLOSE_TIMEOUT).await;
        }
    }

    /// Serves a socket until one side ends it; true where this one does.
    async fn converse(
        &self,
        socket: &mut EngineSocket,
        handle: &ServerSocket,
        said: &mut mpsc::Receiver<Said>,
    ) -> bool {
        loop {
            let writable = socket.is_writable();
            tokio::select! {
                () = self.stopping.cancelled() => return true,
                event = socket.next() => match event {
                    SocketEvent::Closed(_) => return false,
                    SocketEvent::Connected => (self.answer)(handle, ClientEvent::Connected),
                    SocketEvent::Event(name, argument) => {
                        let argument = argument.map_or(Value::Null, |argument| {
                            serde_json::from_str(argument.get()).unwrap()
                        });
                        (self.answer)(handle, ClientEvent::Event(name, argument));
                    }
                    SocketEvent::Refused
                    | SocketEvent::Reopened
                    | SocketEvent::Received(_)
                    | SocketEvent::Writable => {}
                },
                Some(said) = said.recv(), if writable => {
                    let (packet, ends) = match said {
                        Said::Packet(packet) => (packet, false),
                        Said::Disconnect => (disconnect_packet(), true),
                    };
                    if socket.send(vec![packet.into()]).is_err() || ends {
                        return ends;
                    }
                }
            }
        }
    }
}
