//! The daemon in the test's own process; it can be stopped and started again.

use std::net::SocketAddr;
use std::path::PathBuf;

use expd::config::settings::InstanceSettings;
use expd::config::{Credentials, ProtocolChoice, Settings, TransportChoice};
use expd::daemon::{self, DaemonError, Listeners, ServeParts};
use expd::ipc::{self, Listener, SocketPath};
use expd_client::{Client, Status};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::in_time;
use crate::network::{DAEMON, secret_of};

/// An instance that logs in as a device of the network.
pub fn instance(device: &str, host: &str) -> InstanceSettings {
    let credentials = Credentials::Device {
        uuid: Some(device.to_owned()),
        secret: Some(secret_of(device)),
        allow_pairing: false,
    };
    InstanceSettings::new(host, credentials)
}

/// A daemon and its socket.
pub struct Daemon {
    pub settings: Settings,
    folder: TempDir,
    stop: CancellationToken,
    serving: JoinSet<Result<(), DaemonError>>,
}

impl Daemon {
    /// A daemon that reaches its network at `network`.
    pub fn start(network: SocketAddr, protocol: ProtocolChoice) -> Self {
        Self::start_with(network, |settings| {
            for instance in settings.instances.values_mut() {
                instance.protocol = protocol;
            }
        })
    }

    pub fn start_with(network: SocketAddr, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        let mut instance = instance(DAEMON, &format!("http://{network}"));
        instance.transport = TransportChoice::Websocket;
        instance.protocol = ProtocolChoice::V4;
        settings.instances.insert("default".to_owned(), instance);
        change(&mut settings);
        let mut daemon = Self::dark(settings);
        daemon.start_again();
        daemon
    }

    /// A daemon that does not run yet.
    pub fn dark(settings: Settings) -> Self {
        Self {
            settings,
            folder: tempfile::tempdir().unwrap(),
            stop: CancellationToken::new(),
            serving: JoinSet::new(),
        }
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("expd.sock")
    }

    pub fn state_dir(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub fn start_again(&mut self) {
        let place = SocketPath::named(self.socket());
        let mut listeners = Listeners::default();
        listeners.add(Listener::unix(ipc::bind(&place, 0o600, None).unwrap()).unwrap());
        self.stop = CancellationToken::new();
        let (settings, stop) = (self.settings.clone(), self.stop.clone());
        let state = self.state_dir();
        self.serving.spawn(async move {
            let parts = ServeParts {
                state_dir: Some(&state),
                ..ServeParts::new(&settings, listeners, stop)
            };
            daemon::serve(parts, |_| {}).await
        });
    }

    pub async fn stop(&mut self) {
        self.stop.cancel();
        while let Some(ended) = in_time("the daemon ends", self.serving.join_next()).await {
            ended.unwrap().unwrap();
        }
    }

    pub async fn client(&self) -> Client {
        Client::connect(Some(self.socket())).await.unwrap()
    }

    pub async fn status(&self) -> Status {
        self.client().await.status().await.unwrap()
    }
}
