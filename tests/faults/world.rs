//! A network, a daemon that is connected to it, and somebody who broadcasts; all in this process, each able to stop and start.

#[path = "../ports/mod.rs"]
pub mod ports;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use expd::config::settings::InstanceSettings;
use expd::config::{Credentials, ProtocolChoice, Settings, TransportChoice};
use expd::daemon::{self, DaemonError, Listeners, ServeParts};
use expd::ipc::{self, Listener, SocketPath};
use expd_client::{Client, Event, EventStream, Listen, ListenEvent, Status, SubscriptionState};
use expd_domain::login::{self, Claims};
use expd_domain::{Channel, Secret};
use expd_hub::{HubDevice, HubSettings};
use futures_util::StreamExt as _;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long anything may take that should take no time.
pub const SOON: Duration = Duration::from_secs(10);

const DAEMON: &str = "daemon";
const SENDER: &str = "sender";

/// What the operator proves itself with.
#[allow(dead_code, reason = "not every test that shares this has an operator")]
pub fn operator_key() -> Secret {
    Secret::new("operator key")
}

/// An EXP network on an address that it keeps over restarts.
pub struct Network {
    settings: HubSettings,
    stop: CancellationToken,
    serving: JoinSet<()>,
}

impl Network {
    pub async fn start(token_ttl: Duration) -> Self {
        Self::start_with(|settings| settings.token_ttl = token_ttl).await
    }

    pub async fn start_with(change: impl FnOnce(&mut HubSettings)) -> Self {
        Self::start_for_with(&[DAEMON], change).await
    }

    /// A network that knows these devices, and the sender.
    pub async fn start_for(token_ttl: Duration, devices: &[&str]) -> Self {
        Self::start_for_with(devices, |settings| settings.token_ttl = token_ttl).await
    }

    async fn start_for_with(devices: &[&str], change: impl FnOnce(&mut HubSettings)) -> Self {
        let device = |uuid: &str| HubDevice {
            uuid: uuid.to_owned(),
            secret: Secret::new(format!("the secret of {uuid}")),
        };
        let mut settings = HubSettings {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            devices: devices
                .iter()
                .chain(&[SENDER])
                .map(|uuid| device(uuid))
                .collect(),
            token_key: Some(Secret::new("token key")),
            operator_key: Some(operator_key()),
            ..HubSettings::default()
        };
        change(&mut settings);
        let mut network = Self {
            settings,
            stop: CancellationToken::new(),
            serving: JoinSet::new(),
        };
        network.start_again().await;
        network
    }

    pub fn address(&self) -> SocketAddr {
        self.settings.listen
    }

    pub async fn start_again(&mut self) {
        let hub = ports::bind(&self.settings).await;
        self.settings.listen = hub.local_addr();
        self.stop = CancellationToken::new();
        let stop = self.stop.clone();
        self.serving
            .spawn(async move { hub.serve(stop).await.unwrap() });
    }

    pub async fn stop(&mut self) {
        self.stop.cancel();
        while self.serving.join_next().await.is_some() {}
    }

    /// Ends it as SIGKILL would.
    pub async fn kill(&mut self) {
        self.serving.shutdown().await;
    }

    pub fn sender(&self) -> Sender {
        // The library brings no cryptography, and wants some even where nothing is encrypted.
        tokio_rustls::rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        Sender {
            host: format!("http://{}", self.address()),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            token: Arc::default(),
        }
    }
}

/// An instance that logs in as a device of the network.
pub fn instance(device: &str, host: &str) -> InstanceSettings {
    let credentials = Credentials::Device {
        uuid: Some(device.to_owned()),
        secret: Some(Secret::new(format!("the secret of {device}"))),
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
        let mut daemon = Self {
            settings,
            folder: tempfile::tempdir().unwrap(),
            stop: CancellationToken::new(),
            serving: JoinSet::new(),
        };
        daemon.start_again();
        daemon
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("expd.sock")
    }

    pub fn start_again(&mut self) {
        let place = SocketPath::named(self.socket());
        let mut listeners = Listeners::default();
        listeners.add(Listener::unix(ipc::bind(&place, 0o600, None).unwrap()).unwrap());
        self.stop = CancellationToken::new();
        let (settings, stop) = (self.settings.clone(), self.stop.clone());
        let state = self.folder.path().join("state");
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
        while let Some(ended) = self.serving.join_next().await {
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

/// Somebody else on the network, who broadcasts.
#[derive(Clone)]
pub struct Sender {
    host: String,
    http: reqwest::Client,
    token: Arc<tokio::sync::Mutex<Option<String>>>,
}

/// What became of a broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The network took it.
    Sent,
    /// The network did not take it.
    Refused,
    /// The connection broke; it may have been taken.
    Unknown,
}

impl Sender {
    /// Broadcasts a number.
    pub async fn send(&self, channel: &Channel, name: &str, number: u64) -> Outcome {
        self.send_json(channel, name, &number.to_string()).await
    }

    pub async fn send_json(&self, channel: &Channel, name: &str, payload: &str) -> Outcome {
        let Some(token) = self.token().await else {
            return Outcome::Refused;
        };
        let payload: &serde_json::value::RawValue = serde_json::from_str(payload).unwrap();
        let body = serde_json::json!({"name": name, "payload": payload, "channel": {"name": channel.name, "consumer": channel.consumer}});
        let sent = self
            .http
            .post(format!(
                "{}/api/networks/current/broadcasts?timeout=0",
                self.host
            ))
            .bearer_auth(&token)
            .json(&body)
            .send()
            .await;
        match sent {
            Ok(answer) if answer.status().is_success() => match answer.bytes().await {
                Ok(_) => Outcome::Sent,
                Err(_) => Outcome::Unknown,
            },
            Ok(answer) => {
                if answer.status() == 401 {
                    let mut held = self.token.lock().await;
                    if held.as_ref() == Some(&token) {
                        *held = None;
                    }
                }
                Outcome::Refused
            }
            Err(error) if error.is_connect() => Outcome::Refused,
            Err(_) => Outcome::Unknown,
        }
    }

    async fn token(&self) -> Option<String> {
        let mut held = self.token.lock().await;
        if held.is_none() {
            let claims = Claims::Device {
                uuid: SENDER.to_owned(),
                allow_pairing: false,
                iat: 0,
                exp: None,
            };
            let secret = Secret::new(format!("the secret of {SENDER}"));
            let proof = login::sign(&claims, &secret);
            let answer = self
                .http
                .post(format!("{}/api/auth/login", self.host))
                .json(&serde_json::json!({"token": proof.expose()}))
                .send()
                .await
                .ok()?;
            let payload: serde_json::Value = answer.json().await.ok()?;
            *held = payload["token"].as_str().map(str::to_owned);
        }
        held.clone()
    }
}

/// One event, and when the listener had it.
#[derive(Clone, Debug)]
pub struct Heard {
    pub event: ListenEvent,
    pub at: SystemTime,
}

/// A listener that writes down all it hears.
pub struct Ear {
    heard: Arc<Mutex<Vec<Heard>>>,
    news: Arc<tokio::sync::Notify>,
    /// The stream's end, where it has ended.
    pub ended: Arc<Mutex<Option<String>>>,
    _task: JoinSet<()>,
}

impl Ear {
    pub async fn open(client: &Client, listen: &Listen) -> Self {
        Self::of(client.listen(listen).await.unwrap())
    }

    pub fn of(stream: EventStream) -> Self {
        Self::after(Vec::new(), stream)
    }

    /// Goes on after what an earlier stream brought.
    pub fn after(earlier: Vec<Heard>, mut stream: EventStream) -> Self {
        let heard = Arc::new(Mutex::new(earlier));
        let ended: Arc<Mutex<Option<String>>> = Arc::default();
        let news: Arc<tokio::sync::Notify> = Arc::default();
        let mut task = JoinSet::new();
        let (book, end, bell) = (heard.clone(), ended.clone(), news.clone());
        task.spawn(async move {
            while let Some(event) = stream.next().await {
                match event {
                    Ok(event) => book.lock().unwrap().push(Heard {
                        event,
                        at: SystemTime::now(),
                    }),
                    Err(error) => *end.lock().unwrap() = Some(error.to_string()),
                }
                bell.notify_one();
            }
            end.lock()
                .unwrap()
                .get_or_insert_with(|| "ended".to_owned());
            bell.notify_one();
        });
        Self {
            heard,
            news,
            ended,
            _task: task,
        }
    }

    /// Everything so far.
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// Waits until what was heard is as wanted.
    pub async fn until(
        &self,
        what: &str,
        within: Duration,
        mut good: impl FnMut(&[Heard]) -> bool,
    ) {
        let in_time = timeout(within, self.hears(&mut good)).await.is_ok();
        assert!(
            in_time,
            "{what} did not come within {within:?}; heard: {:#?}",
            tail(&self.heard())
        );
    }

    /// Waits, for however long it takes, until what was heard is as wanted.
    pub async fn hears(&self, mut good: impl FnMut(&[Heard]) -> bool) {
        while !good(&self.heard.lock().unwrap()) {
            self.news.notified().await;
        }
    }

    pub async fn until_confirmed(&self) {
        self.until("the confirmation", SOON, |heard| {
            state(heard) == Some(SubscriptionState::Confirmed)
        })
        .await;
    }
}

fn tail(heard: &[Heard]) -> &[Heard] {
    &heard[heard.len().saturating_sub(12)..]
}

/// The state that was told last.
pub fn state(heard: &[Heard]) -> Option<SubscriptionState> {
    heard.iter().rev().find_map(|h| match &h.event.event {
        Event::Subscription(subscription) => Some(subscription.state),
        _ => None,
    })
}

/// The numbers that were broadcast.
pub fn numbers(heard: &[Heard]) -> Vec<u64> {
    heard
        .iter()
        .filter_map(|h| match &h.event.event {
            Event::Broadcast(broadcast) => broadcast.payload.as_str().parse().ok(),
            _ => None,
        })
        .collect()
}

/// The kinds of events in a row, broadcasts left out.
pub fn signals(heard: &[Heard]) -> Vec<String> {
    heard
        .iter()
        .filter_map(|h| match &h.event.event {
            Event::Subscription(subscription) => Some(format!("{:?}", subscription.state)),
            Event::Gap(gap) => Some(format!("Gap {:?}", gap.reason)),
            Event::Broadcast(_) => None,
        })
        .collect()
}

pub fn to(name: &str) -> Listen {
    Listen::to(Channel::new(name))
}
