//! The network in the test's own process, on an address that it keeps, and a device that
//! broadcasts.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use expd_domain::login::{self, Claims};
use expd_domain::{Channel, Secret};
use expd_hub::{
    CountersSnapshot, HubConsumerApp, HubDevice, HubSettings, HubUser, hash_password, operator,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{in_time, ports};

/// The device that most daemons are.
pub const DAEMON: &str = "daemon";

/// The device that broadcasts.
const SENDER: &str = "sender";

/// Hashed once: it takes its time on purpose.
static PASSWORD_HASH: LazyLock<String> =
    LazyLock::new(|| hash_password(&Secret::new("password")).unwrap());

/// Key that the operator proves itself with.
pub fn operator_key() -> Secret {
    Secret::new("operator key")
}

/// An HTTP client that goes straight to its server.
pub fn http_client() -> reqwest::Client {
    // The library brings no cryptography, and wants some even where nothing is encrypted. Another
    // test may have installed it.
    tokio_rustls::rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// The secret of a device of the network.
pub fn secret_of(device: &str) -> Secret {
    Secret::new(format!("the secret of {device}"))
}

/// An EXP network on an address that it keeps over restarts. It knows the user `ada`, the consumer
/// app `app`, the sender and its devices.
pub struct Network {
    pub settings: HubSettings,
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

    /// A network that knows these devices.
    pub async fn start_for(token_ttl: Duration, devices: &[&str]) -> Self {
        Self::start_for_with(devices, |settings| settings.token_ttl = token_ttl).await
    }

    pub async fn start_for_with(devices: &[&str], change: impl FnOnce(&mut HubSettings)) -> Self {
        let mut network = Self::dark(devices, change).await;
        network.start_again().await;
        network
    }

    /// A network that does not run yet, on an address that is known.
    pub async fn dark(devices: &[&str], change: impl FnOnce(&mut HubSettings)) -> Self {
        let device = |uuid: &str| HubDevice {
            uuid: uuid.to_owned(),
            secret: secret_of(uuid),
        };
        let mut settings = HubSettings {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            devices: devices
                .iter()
                .chain(&[SENDER])
                .map(|uuid| device(uuid))
                .collect(),
            users: vec![HubUser {
                username: "ada".to_owned(),
                password_hash: PASSWORD_HASH.clone(),
                role: expd_hub::DEFAULT_ROLE.into(),
            }],
            consumer_apps: vec![HubConsumerApp {
                uuid: "app".to_owned(),
                api_key: Secret::new("app key"),
            }],
            token_key: Some(Secret::new("token key")),
            operator_key: Some(operator_key()),
            ..HubSettings::default()
        };
        change(&mut settings);
        settings.listen = ports::bind(&settings).await.local_addr();
        Self {
            settings,
            stop: CancellationToken::new(),
            serving: JoinSet::new(),
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.settings.listen
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    pub async fn start_again(&mut self) {
        let hub = ports::bind(&self.settings).await;
        self.stop = CancellationToken::new();
        let stop = self.stop.clone();
        self.serving
            .spawn(async move { hub.serve(stop).await.unwrap() });
    }

    /// The next start knows none of the tokens that were issued so far: its key has changed.
    pub fn forget_tokens(&mut self) {
        self.settings.token_key = Some(Secret::new("another token key"));
    }

    pub async fn stop(&mut self) {
        self.stop.cancel();
        while let Some(ended) = in_time("the network ends", self.serving.join_next()).await {
            ended.unwrap();
        }
    }

    /// Ends it as SIGKILL would.
    pub async fn kill(&mut self) {
        self.serving.shutdown().await;
    }

    pub async fn counters(&self) -> CountersSnapshot {
        operator::counters(&self.url(), Some(&operator_key()))
            .await
            .unwrap()
    }

    pub fn sender(&self) -> Sender {
        Sender {
            host: self.url(),
            http: http_client(),
            token: Arc::default(),
        }
    }
}

/// Somebody else on the network, who broadcasts.
#[derive(Clone)]
pub struct Sender {
    host: String,
    http: reqwest::Client,
    token: Arc<tokio::sync::Mutex<Option<String>>>,
}

/// Fate of a broadcast, as its sender knows it.
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

    /// The token of its session, which it logs in for.
    pub async fn token(&self) -> Option<String> {
        let mut held = self.token.lock().await;
        if held.is_none() {
            let claims = Claims::Device {
                uuid: SENDER.to_owned(),
                allow_pairing: false,
                iat: 0,
                exp: None,
            };
            let proof = login::sign(&claims, &secret_of(SENDER));
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
