//! The daemon as a process of its own, so that its memory, descriptors and tasks are its own.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use expd_client::{Client, Status};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use expd_test_support::network::Network;
use expd_test_support::process::program;
use expd_test_support::{eventually, eventually_within};

pub struct Process {
    child: Child,
    pub socket: PathBuf,
    metrics: SocketAddr,
    _folder: TempDir,
}

/// Figures from the daemon's metrics; memory in KiB.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    pub tasks: usize,
    pub descriptors: usize,
    pub memory: usize,
    pub channels: usize,
    pub listeners: usize,
    pub log_bytes: usize,
}

impl Process {
    /// Starts it. `log_age` is the maximum age of events in its logs, and the time for which a
    /// channel without listeners lingers.
    pub async fn start(network: &Network, log_age: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("expd.sock");
        let free = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let metrics = free.local_addr().unwrap();
        drop(free);
        let settings = format!(
            r#"
            [daemon]
            log = "warn"
            metrics = "{metrics}"
            [daemon.limits]
            log_age = "{}s"
            [instances.default]
            host = "http://{}"
            transport = "websocket"
            protocol = "4"
            [instances.default.credentials]
            type = "device"
            uuid = "daemon"
            secret = "the secret of daemon"
            "#,
            log_age.as_secs(),
            network.address()
        );
        let file = folder.path().join("expd.toml");
        std::fs::write(&file, settings).unwrap();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
        let child = Command::new(program())
            .arg("serve")
            .arg("--config")
            .arg(&file)
            .arg("--socket")
            .arg(&socket)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let process = Self {
            child,
            socket,
            metrics,
            _folder: folder,
        };
        eventually("the daemon serves", async || {
            let connected = Client::connect(Some(process.socket.clone())).await;
            connected.map(drop).map_err(|error| error.to_string())
        })
        .await;
        process
    }

    /// An app of its own.
    pub async fn app(&self) -> Client {
        Client::connect(Some(self.socket.clone())).await.unwrap()
    }

    /// The program's command line as an app, in a process of its own.
    pub fn program(&self, arguments: &[&str]) -> Child {
        Command::new(program())
            .args(arguments)
            .env("EXPD_SOCKET", &self.socket)
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    /// The most memory that it ever had, in KiB.
    pub fn peak(&self) -> usize {
        let file = format!("/proc/{}/status", self.child.id().unwrap());
        let status = std::fs::read_to_string(file).unwrap();
        let found = status
            .lines()
            .find_map(|l| l.strip_prefix("VmHWM:"))
            .unwrap();
        let digits: String = found.chars().filter(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    }

    /// The daemon's own counters.
    pub async fn counts(&self) -> Counts {
        let mut stream = TcpStream::connect(self.metrics).await.unwrap();
        let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let values: BTreeMap<&str, usize> = text
            .lines()
            .filter_map(|line| line.rsplit_once(' '))
            .filter_map(|(name, value)| {
                let name = name.split('{').next().unwrap();
                Some((name, value.parse().ok()?))
            })
            .collect();
        Counts {
            tasks: values["expd_tasks"],
            descriptors: values["process_open_fds"],
            memory: values["process_resident_memory_bytes"] / 1024,
            channels: values["expd_channels"],
            listeners: values["expd_listeners"],
            log_bytes: values["expd_log_bytes"],
        }
    }

    /// Waits until the counters are as wanted.
    pub async fn until(
        &self,
        what: &str,
        within: Duration,
        good: impl Fn(&Counts) -> bool,
    ) -> Counts {
        eventually_within(within, what, async || {
            let counts = self.counts().await;
            let is_good = good(&counts);
            is_good
                .then_some(counts)
                .ok_or_else(|| format!("{counts:?}"))
        })
        .await
    }

    pub async fn status(&self) -> Status {
        self.app().await.status().await.unwrap()
    }
}
