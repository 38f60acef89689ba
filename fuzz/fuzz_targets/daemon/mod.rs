//! The daemon in this process, on an embedded network: a Unix socket for the hostile program, and
//! loopback TCP for an honest one, which the daemon sees as another user.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use expd::config::{self, Source};
use expd::daemon::{self, Listeners, ServeParts};
use expd::ipc::{self, Listener, SocketPath};
use expd_hub::{Hub, HubDevice, HubSettings};
use expd_proto::api_client::ApiClient;
use expd_proto::health::HealthCheckRequest;
use expd_proto::health::health_client::HealthClient;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};

/// The honest program's token.
const TOKEN: &str = "the-token-of-an-honest-program";

pub struct Daemon {
    pub runtime: Runtime,
    pub socket: PathBuf,
    address: SocketAddr,
    _folder: TempDir,
}

thread_local! {
    /// Never dropped: the memory held by its tasks would be reported as leaks.
    static DAEMON: &'static Daemon = Box::leak(Box::new(Daemon::new()));
}

impl Daemon {
    pub fn with(run: impl FnOnce(&Self)) {
        DAEMON.with(|daemon| run(daemon));
    }

    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("no runtime");
        let folder = tempfile::tempdir().expect("no folder");
        let socket = folder.path().join("expd.sock");
        // libFuzzer started this process, so SIGPIPE is not ignored as in a Rust program.
        let pipe = runtime.block_on(async { signal(SignalKind::pipe()) });
        // The handler outlives the stream.
        drop(pipe.expect("no handler for SIGPIPE"));
        let address = runtime.block_on(start(&folder, &socket));
        let daemon = Self {
            runtime,
            socket,
            address,
            _folder: folder,
        };
        daemon.runtime.block_on(async {
            let mut api = ApiClient::with_interceptor(daemon.honest().await, authorize);
            while api
                .get_identity(expd_proto::GetIdentityRequest::default())
                .await
                .is_err()
            {
                sleep(Duration::from_millis(10)).await;
            }
        });
        daemon
    }

    async fn honest(&self) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address));
        endpoint
            .expect("no address")
            .connect()
            .await
            .expect("an honest program is not let in")
    }

    /// A new connection that calls for the health and for the identity.
    pub async fn answers_honest_calls(&self) {
        let channel = self.honest().await;
        let health = HealthClient::new(channel.clone())
            .check(HealthCheckRequest::default())
            .await;
        health.expect("no health");
        let identity = ApiClient::with_interceptor(channel, authorize)
            .get_identity(expd_proto::GetIdentityRequest::default())
            .await;
        identity.expect("no identity");
    }
}

/// Adds the honest program's token.
#[expect(clippy::result_large_err, reason = "the library's own type")]
fn authorize(mut request: tonic::Request<()>) -> Result<tonic::Request<()>, tonic::Status> {
    let bearer = format!("Bearer {TOKEN}").parse().expect("no header");
    request.metadata_mut().insert("authorization", bearer);
    Ok(request)
}

/// Starts network and daemon in the runtime; returns the daemon's TCP address.
async fn start(folder: &TempDir, socket: &PathBuf) -> SocketAddr {
    let hub = HubSettings {
        listen: (Ipv4Addr::LOCALHOST, 0).into(),
        devices: vec![HubDevice {
            uuid: "screen".to_owned(),
            secret: expd_domain::Secret::new("secret"),
        }],
        // Longer than any run.
        token_ttl: Duration::from_secs(86_400 * 30),
        token_key: Some(expd_domain::Secret::new("token key")),
        ..HubSettings::default()
    };
    let hub = Hub::bind(&hub).await.expect("no network");
    let file = folder.path().join("expd.toml");
    let settings = format!(
        "[daemon]\naccess = \"open\"\n[[daemon.tcp.tokens]]\nname = \"honest\"\ntoken = \"{TOKEN}\"\n[instances.default]\nhost = \"http://{}\"\n\
         [instances.default.credentials]\ntype = \"device\"\nuuid = \"screen\"\nsecret = \"secret\"\n",
        hub.local_addr()
    );
    std::fs::write(&file, settings).expect("no settings");
    tokio::spawn(hub.serve(CancellationToken::new()));
    let source = Source {
        file: Some(file),
        environment: Vec::new(),
        credentials: None,
    };
    let loaded = config::load(&source).expect("settings that are refused");
    let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("no port");
    let address = tcp.local_addr().expect("no address");
    let bound = ipc::bind(&SocketPath::named(socket.clone()), 0o600, None).expect("no socket");
    let mut listeners = Listeners::default();
    listeners.add(Listener::unix(bound).expect("no listener"));
    listeners.add(Listener::tcp(tcp));
    let state = folder.path().join("state");
    tokio::spawn(async move {
        let parts = ServeParts {
            state_dir: Some(&state),
            ..ServeParts::new(&loaded.settings, listeners, CancellationToken::new())
        };
        daemon::serve(parts, |_| {}).await
    });
    address
}
