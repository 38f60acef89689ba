//! One run: the processes are started, fed, and measured.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use expd_bench::account::Got;
use expd_bench::load::{Fed, Load};
use expd_bench::process::Process;
use serde::Serialize;

use crate::listeners::Kind;
use crate::page::{APPS, ORIGIN};

/// A way in which broadcasts are delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum System {
    /// gRPC streams, without a web server.
    Grpc,
    /// The same with a web server that no page uses.
    GrpcBesideIdleWeb,
    /// Pages that speak Engine.IO 4, over a WebSocket.
    Pages4,
    /// The same in Engine.IO 3.
    Pages3,
}

/// Measurements of one run.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Sample {
    /// CPU of the daemon per delivery, in microseconds.
    pub cpu: f64,
    /// Its private memory at the end, in KiB.
    pub memory: u64,
}

impl System {
    pub const ALL: [Self; 4] = [
        Self::Grpc,
        Self::Pages4,
        Self::GrpcBesideIdleWeb,
        Self::Pages3,
    ];

    fn kind(self) -> Kind {
        match self {
            Self::Grpc | Self::GrpcBesideIdleWeb => Kind::Grpc,
            Self::Pages4 => Kind::Page4,
            Self::Pages3 => Kind::Page3,
        }
    }

    fn has_web(self) -> bool {
        self != Self::Grpc
    }
}

/// Measures once. `binary` is the daemon.
pub fn run(system: System, load: Load, binary: &Path) -> Sample {
    let served = Served::start(system.has_web(), binary);
    let Served {
        folder,
        mut network,
        daemon,
        web,
    } = served;
    let kind = serde_json::to_string(&system.kind()).unwrap();
    let order = serde_json::to_string(&load).unwrap();
    let here = folder.path().to_str().unwrap();
    let mut listeners = Process::role(&["listeners", &kind, &order, here, &web]);
    assert_eq!(listeners.line(), "ready", "{system:?} does not listen");
    let before = daemon.spent();
    network.tell(&order);
    let got: Got = parsed(&listeners.line());
    let after = daemon.spent();
    let fed: Fed = parsed(&network.line());
    let expected = fed.sent * load.streams as u64;
    assert_eq!((got.deliveries, got.gaps), (expected, 0), "{system:?}");
    Sample {
        cpu: (after.cpu - before.cpu) * 1e6 / got.deliveries as f64,
        memory: after.anonymous,
    }
}

fn parsed<T: serde::de::DeserializeOwned>(line: &str) -> T {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

/// A network, and a daemon that is online there.
pub struct Served {
    pub folder: tempfile::TempDir,
    pub network: Process,
    pub daemon: Process,
    /// Host and port of the web server.
    pub web: String,
}

impl Served {
    pub fn start(has_web: bool, binary: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut network = Process::role(&["network", folder.path().to_str().unwrap(), "0"]);
        let port = network.line();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let web = free.local_addr().unwrap().to_string();
        drop(free);
        let settings = settings(&port, folder.path(), has_web.then_some(&web));
        let daemon = start(folder.path(), &settings, binary);
        Self {
            folder,
            network,
            daemon,
            web,
        }
    }
}

fn settings(port: &str, folder: &Path, web: Option<&String>) -> String {
    let settings = format!(
        r#"
        [daemon]
        log = "error"
        state_dir = "{state}"
        [instances.default]
        host = "http://127.0.0.1:{port}"
        transport = "websocket"
        protocol = "3"
        channel_id = "urlsafe"
        [instances.default.credentials]
        type = "device"
        uuid = "screen"
        secret = "secret"
        "#,
        state = folder.join("state").display(),
    );
    let Some(web) = web else { return settings };
    let apps = APPS.map(|app| {
        format!(
            "[[web.apps]]\nname = \"{app}\"\norigins = [\"{ORIGIN}\"]\nuuid = \"{app}\"\napi_key = \"key\"\n\
             [[access]]\napp = \"{app}\"\nallow = [\"listen\"]\n"
        )
    });
    format!("{settings}[web]\nlisten = \"{web}\"\n{}", apps.concat())
}

/// Starts the daemon, and waits until it accepts programs.
fn start(folder: &Path, settings: &str, binary: &Path) -> Process {
    let at = |name: &str| -> PathBuf { folder.join(name) };
    let (file, socket) = (at("expd.toml"), at("socket"));
    std::fs::write(&file, settings).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let arguments = [
        "serve",
        "--config",
        file.to_str().unwrap(),
        "--socket",
        socket.to_str().unwrap(),
    ];
    let daemon = Process::start(binary, &arguments);
    let deadline = Instant::now() + Duration::from_secs(20);
    while std::os::unix::net::UnixStream::connect(&socket).is_err() {
        assert!(Instant::now() < deadline, "the daemon does not start");
        std::thread::yield_now();
    }
    daemon
}
