//! A real Socket.IO server from npm, as a child process that takes commands.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use expd_test_support::{DEADLINE, eventually};
use serde_json::Value;
use tempfile::NamedTempFile;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// The interval and the timeout of the servers' pings.
pub const PING_INTERVAL: Duration = Duration::from_millis(300);
pub const PING_TIMEOUT: Duration = Duration::from_millis(700);

pub struct Node {
    pub port: u16,
    /// Ends with this value.
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    /// Standard error of the server. It never inherits the test's own, which node would make
    /// non-blocking.
    complaints: NamedTempFile,
}

impl Node {
    /// Starts Socket.IO `generation` (1 to 4) on any free port.
    pub async fn start(generation: u32) -> Self {
        Self::start_on(generation, 0, "").await
    }

    /// Starts Socket.IO `generation` with a ping timeout for what keeps both sides busy.
    pub async fn start_patient(generation: u32) -> Self {
        Self::start_with(generation, 0, "", DEADLINE).await
    }

    /// Starts Socket.IO `generation` on `port`, with some transports alone if they are named.
    pub async fn start_on(generation: u32, port: u16, transports: &str) -> Self {
        Self::start_with(generation, port, transports, PING_TIMEOUT).await
    }

    async fn start_with(
        generation: u32,
        port: u16,
        transports: &str,
        ping_timeout: Duration,
    ) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/servers");
        assert!(
            folder.join("node_modules/.package-lock.json").exists(),
            "the Socket.IO servers are not installed; run tests/servers/install first"
        );
        let complaints = NamedTempFile::new().unwrap();
        let mut child = Command::new("node")
            .arg("server.js")
            .args([
                generation.to_string(),
                port.to_string(),
                PING_INTERVAL.as_millis().to_string(),
                ping_timeout.as_millis().to_string(),
                transports.to_string(),
            ])
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(complaints.reopen().unwrap())
            .kill_on_drop(true)
            .spawn()
            .expect("node is on the PATH");
        let stdin = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut node = Self {
            port: 0,
            child,
            stdin,
            lines,
            complaints,
        };
        let listening = node.says("listening").await;
        node.port = u16::try_from(listening.as_u64().unwrap()).unwrap();
        node
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Gives the server a command.
    pub async fn tell(&mut self, command: &str) {
        self.stdin.write_all(command.as_bytes()).await.unwrap();
        self.stdin.write_all(b"\n").await.unwrap();
        self.stdin.flush().await.unwrap();
    }

    /// Waits until the server says something with this key, and gives its value.
    pub async fn says(&mut self, key: &str) -> Value {
        self.says_all(key).await[key].take()
    }

    /// Like [`Node::says`], with the whole document.
    pub async fn says_all(&mut self, key: &str) -> Value {
        let waiting = async {
            loop {
                let line = self.lines.next_line().await.unwrap();
                let line = line.unwrap_or_else(|| {
                    let complaints = std::fs::read_to_string(self.complaints.path()).unwrap();
                    panic!("the server ended before saying {key}: {complaints}")
                });
                let document: Value = serde_json::from_str(&line).unwrap();
                if document.get(key).is_some() {
                    return document;
                }
            }
        };
        timeout(DEADLINE, waiting)
            .await
            .unwrap_or_else(|_| panic!("the server never said {key}"))
    }

    /// Returns the number of clients, and of handshakes over polling and over WebSocket.
    pub async fn count(&mut self) -> (u64, u64, u64) {
        let counts = self.counts().await;
        (
            counts["clients"].as_u64().unwrap(),
            counts["handshakes"]["polling"].as_u64().unwrap(),
            counts["handshakes"]["websocket"].as_u64().unwrap(),
        )
    }

    async fn counts(&mut self) -> Value {
        self.tell("count").await;
        self.says_all("clients").await
    }

    /// Waits until the server has `clients` clients.
    pub async fn has(&mut self, clients: u64) {
        eventually(&format!("{clients} clients"), async || {
            let counts = self.counts().await;
            let is_so = counts["clients"] == clients;
            is_so.then_some(()).ok_or_else(|| counts.to_string())
        })
        .await;
    }

    /// Waits until so many more pings of each client have gone there and back.
    pub async fn beats(&mut self, more: u64) {
        let before = self.counts().await["beats"].as_u64().unwrap();
        eventually(&format!("{more} pings"), async || {
            let counts = self.counts().await;
            let is_so = counts["beats"].as_u64().unwrap() >= before + more;
            is_so.then_some(()).ok_or_else(|| counts.to_string())
        })
        .await;
    }

    /// Ends the server at once.
    pub async fn kill(mut self) -> u16 {
        self.child.kill().await.unwrap();
        self.port
    }
}
