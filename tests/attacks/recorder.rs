//! A server in EXP's place, which keeps the target of each request to the letter and answers as a
//! test wants.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use expd_test_support::http2::own_uid;

/// A status line and a body.
pub type Answer = (&'static str, String);

type Script = dyn Fn(&str) -> Option<Answer> + Send + Sync;

const LOGGED_IN: &str = r#"{"token":"of the session","expiration":4102444800000,"identity":{"uuid":"u","type":"device","organization":"demo"}}"#;

/// The server; it ends when it is dropped.
pub struct Recorder {
    port: u16,
    targets: Arc<Mutex<Vec<String>>>,
    _serving: JoinSet<()>,
}

impl Recorder {
    /// Answers a target as scripted; without an answer there, takes every login, has no sockets,
    /// and says `{}` to the rest.
    pub async fn start(script: impl Fn(&str) -> Option<Answer> + Send + Sync + 'static) -> Self {
        let script: Arc<Script> = Arc::new(script);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let targets = Arc::new(Mutex::new(Vec::new()));
        let kept = targets.clone();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(serve(stream, script.clone(), kept.clone()));
            }
        });
        Self {
            port,
            targets,
            _serving: serving,
        }
    }

    /// Settings for the default instance, at a path of this server's.
    pub fn instance(&self, own_path: &str) -> String {
        format!(
            "[instances.default]\nhost = \"http://127.0.0.1:{}{own_path}\"\n[instances.default.credentials]\ntype = \"device\"\nuuid = \"u\"\nsecret = \"s\"\n",
            self.port
        )
    }

    /// The targets of the apps' requests since this was last asked.
    pub fn taken(&self) -> Vec<String> {
        let mut targets = self.targets.lock().unwrap();
        let of_apps = |target: &String| {
            !target.ends_with("/api/auth/login") && !target.contains("/socket.io")
        };
        targets.drain(..).filter(of_apps).collect()
    }
}

/// A rule for this user; none, so that everything is allowed, where `allow` is empty.
pub fn allowed(allow: &str) -> String {
    match allow {
        "" => String::new(),
        allow => format!("[[access]]\nuid = {}\nallow = [{allow}]\n", own_uid()),
    }
}

async fn serve(stream: TcpStream, script: Arc<Script>, targets: Arc<Mutex<Vec<String>>>) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let length = head.to_lowercase().lines().find_map(|line| {
            let value = line.strip_prefix("content-length:")?;
            value.trim().parse().ok()
        });
        let mut body = vec![0; length.unwrap_or(0)];
        if stream.read_exact(&mut body).await.is_err() {
            return;
        }
        let target = head.split(' ').nth(1).unwrap().to_owned();
        let (status, text) = script(&target).unwrap_or_else(|| {
            if target.contains("/socket.io") {
                ("404 Not Found", "{}".to_owned())
            } else if target.ends_with("/api/auth/login") {
                ("200 OK", LOGGED_IN.to_owned())
            } else {
                ("200 OK", "{}".to_owned())
            }
        });
        targets.lock().unwrap().push(target);
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{text}",
            text.len()
        );
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}
