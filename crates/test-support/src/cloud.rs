//! A server that answers as a test scripts it, over plain or encrypted TCP, and keeps every
//! request.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use expd_domain::Secret;
use expd_domain::login::{self, Claims};
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite,
    AsyncWriteExt as _, BufReader,
};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// A request, as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// With its query.
    pub path: String,
    pub headers: HashMap<String, String>,
    pub body: String,
    /// The connection that it came on: the first is 0.
    pub connection: usize,
}

impl Request {
    pub fn is_login(&self) -> bool {
        self.path == "/api/auth/login"
    }

    pub fn is_refresh(&self) -> bool {
        self.path == "/api/auth/token"
    }

    pub fn bearer(&self) -> &str {
        self.headers
            .get("authorization")
            .and_then(|value| value.strip_prefix("Bearer "))
            .unwrap_or_default()
    }

    /// Claims of a device or a consumer app in a login, not verified.
    pub fn claims(&self) -> Claims {
        let body: Value = serde_json::from_str(&self.body).unwrap();
        login::peek(&Secret::new(body["token"].as_str().unwrap())).unwrap()
    }
}

/// Answer of a script.
#[derive(Clone, Debug)]
pub enum Reply {
    Answer {
        status: u16,
        headers: Vec<(String, String)>,
        body: String,
    },
    /// An answer after a while.
    Later(Duration, Box<Reply>),
    /// The connection is closed, without a word.
    Close,
    /// Exactly these bytes, then the connection is closed.
    Raw(String),
    /// This head, then these bytes so many times, then the connection is closed.
    Bytes {
        head: String,
        piece: Arc<[u8]>,
        times: usize,
    },
    /// Nothing, ever.
    Silence,
}

impl Reply {
    pub fn new(status: u16, body: impl Into<String>) -> Self {
        Self::Answer {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    pub fn json(status: u16, body: &Value) -> Self {
        Self::new(status, body.to_string())
    }

    /// A body of any bytes, with these header fields besides its length.
    pub fn bytes(status: u16, fields: &[(&str, &str)], body: &[u8]) -> Self {
        let mut head = format!(
            "HTTP/1.1 {status} Word\r\ncontent-length: {}\r\nconnection: close\r\n",
            body.len()
        );
        for (name, value) in fields {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.push_str("\r\n");
        Self::Bytes {
            head,
            piece: body.into(),
            times: 1,
        }
    }

    pub fn refused(message: &str) -> Self {
        Self::json(401, &json!({"code": "refused", "message": message}))
    }

    pub fn with(self, name: &str, value: impl ToString) -> Self {
        match self {
            Self::Answer {
                status,
                mut headers,
                body,
            } => {
                headers.push((name.to_owned(), value.to_string()));
                Self::Answer {
                    status,
                    headers,
                    body,
                }
            }
            Self::Later(after, reply) => Self::Later(after, Box::new(reply.with(name, value))),
            other => other,
        }
    }

    pub fn after(self, wait: Duration) -> Self {
        Self::Later(wait, Box::new(self))
    }
}

/// A session for a device, whose token ends after `life`.
pub fn session(token: &str, life: Duration) -> Reply {
    session_at(
        token,
        now_millis() + i64::try_from(life.as_millis()).unwrap(),
    )
}

pub fn session_at(token: &str, expiration: i64) -> Reply {
    Reply::json(
        200,
        &json!({
            "token": token,
            "expiration": expiration,
            "identity": {"uuid": "device-1", "type": "device", "organization": "demo"},
            "network": {"host": "network.example"},
        }),
    )
}

pub fn now_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_millis().try_into().unwrap()
}

/// A login of a device on the server itself, with a token for content, that holds for an hour.
pub fn login_here(request: &Request) -> Reply {
    let host = request.headers.get("host").map_or("", |host| host);
    let url = format!("http://{host}");
    Reply::json(
        200,
        &json!({
            "token": "t0ken-of-the-session",
            "restrictedToken": "r3stricted&token",
            "expiration": now_millis() + 3_600_000,
            "identity": {"uuid": "device-1", "type": "device", "organization": "demo"},
            "network": {"host": url},
            "api": {"host": url},
        }),
    )
}

type Script = dyn Fn(&Request, usize) -> Reply + Send + Sync;

/// A server; it ends when it is dropped.
pub struct Cloud {
    pub address: SocketAddr,
    pub url: String,
    requests: Arc<Mutex<Vec<Request>>>,
    open: Arc<AtomicUsize>,
    stop: CancellationToken,
    serving: JoinSet<()>,
}

impl Cloud {
    /// Serves a script. It is given each request, and how many with the same path came before.
    pub async fn start(script: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::serve("127.0.0.1:0".parse().unwrap(), None, script).await
    }

    /// The same on a given address, or encrypted.
    pub async fn serve(
        address: SocketAddr,
        tls: Option<TlsAcceptor>,
        script: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let script: Arc<Script> = Arc::new(script);
        let requests = Arc::new(Mutex::new(Vec::new()));
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let mut serving = JoinSet::new();
        let kept = requests.clone();
        let open = Arc::new(AtomicUsize::new(0));
        let counted = open.clone();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            for connection in 0.. {
                let accepted = stopped.run_until_cancelled(listener.accept()).await;
                let Some(accepted) = accepted else {
                    break;
                };
                let (stream, _) = accepted.unwrap();
                let (script, kept, tls) = (script.clone(), kept.clone(), tls.clone());
                let counted = counted.clone();
                counted.fetch_add(1, Ordering::Relaxed);
                connections.spawn(async move {
                    match tls {
                        None => answer(stream, connection, &*script, &kept).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                answer(stream, connection, &*script, &kept).await;
                            }
                        }
                    }
                    counted.fetch_sub(1, Ordering::Relaxed);
                });
            }
            drop(listener);
            connections.shutdown().await;
        });
        Self {
            address,
            url: format!("{scheme}://{address}"),
            requests,
            open,
            stop,
            serving,
        }
    }

    /// Number of open connections.
    pub fn connections(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Ends it: every connection is closed, and its address is free.
    pub async fn stop(mut self) {
        self.stop.cancel();
        self.serving.join_next().await.unwrap().unwrap();
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    pub fn count(&self, which: impl Fn(&Request) -> bool) -> usize {
        self.requests().iter().filter(|r| which(r)).count()
    }

    pub fn logins(&self) -> usize {
        self.count(Request::is_login)
    }

    pub fn refreshes(&self) -> usize {
        self.count(Request::is_refresh)
    }

    /// Requests that are neither logins nor refreshes.
    pub fn calls(&self) -> Vec<Request> {
        let mut requests = self.requests();
        requests.retain(|request| !request.is_login() && !request.is_refresh());
        requests
    }
}

async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    connection: usize,
    script: &Script,
    kept: &Mutex<Vec<Request>>,
) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream, connection).await {
        let before = {
            let mut kept = kept.lock().unwrap();
            let same = kept.iter().filter(|r| r.path == request.path).count();
            kept.push(request.clone());
            same
        };
        let mut reply = script(&request, before);
        while let Reply::Later(wait, next) = reply {
            tokio::time::sleep(wait).await;
            reply = *next;
        }
        match reply {
            Reply::Answer {
                status,
                headers,
                body,
            } => {
                let length = body.len();
                let mut text = format!("HTTP/1.1 {status} Word\r\ncontent-length: {length}\r\n");
                for (name, value) in headers {
                    text.extend([name.as_str(), ": ", value.as_str(), "\r\n"]);
                }
                text.extend(["\r\n", body.as_str()]);
                if stream.write_all(text.as_bytes()).await.is_err() {
                    return;
                }
                stream.flush().await.ok();
            }
            Reply::Raw(text) => {
                stream.write_all(text.as_bytes()).await.ok();
                stream.shutdown().await.ok();
                return;
            }
            Reply::Bytes { head, piece, times } => {
                stream.write_all(head.as_bytes()).await.ok();
                for _ in 0..times {
                    if stream.write_all(&piece).await.is_err() {
                        return;
                    }
                }
                stream.shutdown().await.ok();
                return;
            }
            Reply::Close => return,
            Reply::Silence => std::future::pending().await,
            Reply::Later(..) => unreachable!(),
        }
    }
}

async fn read(stream: &mut (impl AsyncBufRead + Unpin), connection: usize) -> Option<Request> {
    let mut line = String::new();
    if stream.read_line(&mut line).await.ok()? == 0 {
        return None;
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length = headers
        .get("content-length")
        .map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Request {
        method,
        path,
        headers,
        body: String::from_utf8(body).unwrap(),
        connection,
    })
}
