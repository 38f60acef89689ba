//! One run: the processes are started, fed, and measured.

use std::path::Path;
use std::time::{Duration, Instant};

use expd_bench::account::Got;
use expd_bench::load::{Fed, Load};
use expd_bench::process::Process;
use serde::{Deserialize, Serialize};

/// A system that serves streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum System {
    /// The daemon, whole path: a network, the program as installed, streams.
    Expd,
    /// The daemon from the point where its link hands over a decoded broadcast.
    Handover,
    /// A tonic server that clones and encodes each message for each stream, fed in process.
    Plain,
    /// Sockets of the network itself, without a daemon, on the daemon's own wire.
    Direct,
    /// The same with the Socket.IO library.
    #[cfg(feature = "rust-socketio")]
    Library,
    /// `Direct` through a process that only forwards bytes.
    Relay,
}

impl System {
    /// True if the streams are sockets of the network.
    fn is_direct(self) -> bool {
        match self {
            Self::Direct | Self::Relay => true,
            #[cfg(feature = "rust-socketio")]
            Self::Library => true,
            Self::Expd | Self::Handover | Self::Plain => false,
        }
    }
}

/// Socket that the streams are opened on.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum StreamSource {
    /// The local socket of a server.
    Daemon,
    /// The network's port.
    Network(u16),
    /// The same, with the library.
    #[cfg(feature = "rust-socketio")]
    NetworkByLibrary(u16),
}

/// Measurements of one run.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    /// Messages received per second.
    pub rate: f64,
    /// CPU seconds of the server per million of them; `None` for sockets without a server.
    pub cpu: Option<f64>,
    /// Voluntary context switches of the server per message sent.
    pub sleeps: f64,
    /// Latencies in microseconds.
    pub p50: f64,
    /// See `p50`.
    pub p99: f64,
    /// See `p50`.
    pub max: f64,
    /// The server's resident memory in KiB, at the end of the run.
    pub rss: u64,
    /// The same as proportional set size (PSS).
    pub pss: u64,
    /// Connections at the network.
    pub connections: u64,
    /// Bytes of messages that the network sent, per message.
    pub upstream_bytes: f64,
    /// Reported gaps.
    pub gaps: u64,
}

/// Measures once. `binary` is the installed daemon.
pub fn run(system: System, load: Load, binary: &Path) -> Sample {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().to_str().unwrap();
    let mut network = Process::role(&["network", here, "0"]);
    let port = network.line();
    let mut server = match system {
        System::Expd => Some(daemon(folder.path(), &port, binary)),
        System::Handover => Some(Process::role(&["daemon", here, &port])),
        System::Plain => Some(Process::role(&["plain", here])),
        System::Relay => Some(Process::role(&["relay", &port])),
        System::Direct => None,
        #[cfg(feature = "rust-socketio")]
        System::Library => None,
    };
    if matches!(system, System::Handover | System::Plain) {
        assert_eq!(server.as_mut().unwrap().line(), "ready");
    }
    await_socket(&folder.path().join("socket"), system);
    let order = serde_json::to_string(&load).unwrap();
    let fed_by_network = system == System::Expd || system.is_direct();
    let credit = if fed_by_network {
        "network-credit"
    } else {
        "server-credit"
    };
    let at = |port: &str| port.parse().unwrap();
    let source = match system {
        System::Expd | System::Handover | System::Plain => StreamSource::Daemon,
        System::Direct => StreamSource::Network(at(&port)),
        #[cfg(feature = "rust-socketio")]
        System::Library => StreamSource::NetworkByLibrary(at(&port)),
        System::Relay => StreamSource::Network(at(&server.as_mut().unwrap().line())),
    };
    let mut subscribers = subscribers(folder.path(), load, source, credit);
    let watched = server.as_ref().unwrap_or(&subscribers);
    let before = watched.spent();
    if fed_by_network {
        network.tell(&order);
    } else {
        server.as_mut().unwrap().tell(&order);
    }
    let got = subscribers.line();
    let got: Got =
        serde_json::from_str(&got).unwrap_or_else(|_| panic!("{system:?} {load:?}: {got:?}"));
    let after = server.as_ref().map(Process::spent);
    let fed: Fed = {
        let feeder = if fed_by_network {
            &mut network
        } else {
            server.as_mut().unwrap()
        };
        serde_json::from_str(&feeder.line()).unwrap()
    };
    let more = |name: &str| fed.more.get(name).copied().unwrap_or_default();
    let micro = |nanoseconds: u64| nanoseconds as f64 / 1e3;
    Sample {
        rate: got.deliveries as f64 / got.seconds,
        cpu: after.map(|after| (after.cpu - before.cpu) / got.deliveries as f64 * 1e6),
        sleeps: after.map_or(0.0, |after| {
            (after.sleeps - before.sleeps) as f64 / fed.sent as f64
        }),
        p50: micro(got.p50),
        p99: micro(got.p99),
        max: micro(got.max),
        rss: after.unwrap_or(before).rss,
        pss: after.unwrap_or(before).pss,
        connections: more("connections"),
        upstream_bytes: more("bytes") as f64 / fed.sent as f64,
        gaps: got.gaps,
    }
}

/// The subscribers, once they listen.
pub fn subscribers(folder: &Path, load: Load, source: StreamSource, credit: &str) -> Process {
    let load = serde_json::to_string(&load).unwrap();
    let source = serde_json::to_string(&source).unwrap();
    let here = folder.to_str().unwrap();
    let mut subscribers = Process::role(&["subscribers", here, &load, &source, credit]);
    assert_eq!(subscribers.line(), "ready");
    subscribers
}

/// The installed daemon, logged in to the network on this port.
pub fn daemon(folder: &Path, port: &str, binary: &Path) -> Process {
    let settings = format!(
        r#"
        [daemon]
        log = "warn"
        # One for each of ten thousand channels, and those who are measured.
        limits.max_listeners = 20000
        [instances.default]
        host = "http://127.0.0.1:{port}"
        transport = "websocket"
        protocol = "3"
        channel_id = "urlsafe"
        [instances.default.credentials]
        type = "device"
        uuid = "screen"
        secret = "secret"
        "#
    );
    let file = folder.join("expd.toml");
    std::fs::write(&file, settings).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let socket = folder.join("socket");
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    Process::start(
        binary,
        &[
            "serve",
            "--config",
            &text(&file),
            "--socket",
            &text(&socket),
        ],
    )
}

/// Waits until the server accepts clients.
pub fn await_socket(path: &Path, system: System) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !system.is_direct() && std::os::unix::net::UnixStream::connect(path).is_err() {
        assert!(Instant::now() < deadline, "{system:?} does not start");
        std::thread::yield_now();
    }
}
