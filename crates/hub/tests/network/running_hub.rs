//! A hub, and one client of each kind.

use expd_domain::identity::Authentication;
use expd_domain::login::{self, Claims};
use expd_domain::{Alphabet, Channel, ChannelId, Secret};
use expd_hub::{
    CountersSnapshot, Hub, HubConsumerApp, HubDevice, HubError, HubSettings, HubUser, operator,
};
use expd_test_support::network::http_client;
use expd_test_support::{eventually, in_time};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub const ORGANIZATION: &str = "demo";
/// Hash of `correct horse` with the lowest cost that Argon2 allows, so that debug builds check it
/// quickly.
const CHEAP_HASH: fn() -> String = || {
    use argon2::password_hash::PasswordHasher as _;
    let params = argon2::Params::new(8, 1, 1, None).unwrap();
    argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
        .hash_password_with_salt(b"correct horse", b"0123456789abcdef")
        .unwrap()
        .to_string()
};

/// Key that the operator proves itself with.
pub fn operator_key() -> Secret {
    Secret::new("operator key")
}

pub fn settings() -> HubSettings {
    HubSettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        organization: ORGANIZATION.into(),
        devices: ["device-1", "device-2"]
            .map(|uuid| HubDevice {
                uuid: uuid.into(),
                secret: Secret::new("device secret"),
            })
            .into(),
        users: vec![HubUser {
            username: "joe@example.com".into(),
            password_hash: CHEAP_HASH(),
            role: expd_hub::DEFAULT_ROLE.into(),
        }],
        consumer_apps: vec![HubConsumerApp {
            uuid: "app-1".into(),
            api_key: Secret::new("api key"),
        }],
        token_key: Some(Secret::new("token key")),
        operator_key: Some(operator_key()),
        ..HubSettings::default()
    }
}

pub struct RunningHub {
    pub url: String,
    pub http: reqwest::Client,
    shutdown: CancellationToken,
    serving: JoinSet<Result<(), HubError>>,
}

impl RunningHub {
    pub async fn start() -> Self {
        Self::with(settings()).await
    }

    pub async fn with(settings: HubSettings) -> Self {
        let hub = Hub::bind(&settings).await.unwrap();
        let url = format!("http://{}", hub.local_addr());
        let shutdown = CancellationToken::new();
        let mut serving = JoinSet::new();
        serving.spawn(hub.serve(shutdown.clone()));
        Self {
            url,
            http: http_client(),
            shutdown,
            serving,
        }
    }

    /// Stops the hub.
    pub async fn stop(mut self) {
        self.shutdown.cancel();
        let ended = in_time("the hub ends", self.serving.join_next()).await;
        ended.unwrap().unwrap().unwrap();
    }

    pub async fn login(&self, body: &Value) -> Response {
        let url = format!("{}/api/auth/login", self.url);
        self.http.post(url).json(body).send().await.unwrap()
    }

    pub async fn session(&self, body: &Value) -> Client<'_> {
        let response = self.login(body).await;
        assert_eq!(response.status(), StatusCode::OK);
        Client {
            hub: self,
            auth: response.json().await.unwrap(),
        }
    }

    pub async fn device(&self) -> Client<'_> {
        self.session(&device_login("device-1", "device secret", false))
            .await
    }

    pub async fn consumer_app(&self) -> Client<'_> {
        let claims = Claims::ConsumerApp {
            uuid: "app-1".into(),
            iat: now(),
            exp: Some(now() + 60),
        };
        self.session(&token_login(&claims, "api key")).await
    }

    pub async fn user(&self) -> Client<'_> {
        self.session(&user_login(
            "joe@example.com",
            "correct horse",
            ORGANIZATION,
        ))
        .await
    }

    pub async fn counters(&self) -> CountersSnapshot {
        operator::counters(&self.url, Some(&operator_key()))
            .await
            .unwrap()
    }

    /// Waits until the counters match `wanted`.
    pub async fn counters_become(&self, wanted: impl Fn(&CountersSnapshot) -> bool) {
        let look = async || {
            let counters = self.counters().await;
            let is_so = wanted(&counters);
            is_so.then_some(()).ok_or_else(|| format!("{counters:?}"))
        };
        eventually("the counters become as wanted", look).await;
    }
}

pub fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_secs().try_into().unwrap()
}

pub fn user_login(username: &str, password: &str, organization: &str) -> Value {
    json!({"type": "user", "username": username, "password": password, "organization": organization})
}

pub fn token_login(claims: &Claims, secret: &str) -> Value {
    json!({"token": login::sign(claims, &Secret::new(secret)).expose()})
}

pub fn device_login(uuid: &str, secret: &str, allow_pairing: bool) -> Value {
    let claims = Claims::Device {
        uuid: uuid.into(),
        allow_pairing,
        iat: now(),
        exp: Some(now() + 60),
    };
    token_login(&claims, secret)
}

/// A logged-in client.
pub struct Client<'a> {
    pub hub: &'a RunningHub,
    pub auth: Authentication,
}

impl Client<'_> {
    pub fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.hub
            .http
            .request(method, format!("{}{path}", self.hub.url))
            .bearer_auth(self.auth.token.expose())
    }

    pub async fn post(&self, path: &str, body: impl Into<String>) -> Response {
        self.request(reqwest::Method::POST, path)
            .header("content-type", "application/json")
            .body(body.into())
            .send()
            .await
            .unwrap()
    }

    /// Broadcasts a payload, given as JSON text.
    pub async fn broadcast(
        &self,
        channel: &Value,
        name: &str,
        payload: &str,
        timeout: u64,
    ) -> Response {
        let body = format!(
            r#"{{"name":{},"channel":{channel},"payload":{payload}}}"#,
            json!(name)
        );
        let path = format!("/api/networks/current/broadcasts?timeout={timeout}");
        self.post(&path, body).await
    }

    pub async fn respond(&self, id: &str, channel: &Value, payload: &str) -> Response {
        let body = format!(
            r#"{{"id":{},"channel":{channel},"payload":{payload}}}"#,
            json!(id)
        );
        self.post("/api/networks/current/responses", body).await
    }

    pub async fn socket(&self, generation: u32) -> Polling {
        Polling::open(&self.hub.url, self.auth.token.expose(), generation).await
    }
}

/// The code of an error response, with its status.
pub async fn refusal(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    let body: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status}: {text:?}"));
    assert!(
        body["message"].as_str().is_some_and(|m| m.len() > 10),
        "{body}"
    );
    (status, body["code"].as_str().unwrap().to_owned())
}

pub fn channel_id(channel: &Channel, alphabet: Alphabet) -> String {
    ChannelId::encode(ORGANIZATION, channel, alphabet)
        .as_str()
        .to_owned()
}

/// A Socket.IO client that only polls, and shows every packet.
pub struct Polling {
    http: reqwest::Client,
    url: String,
    generation: u32,
    /// Packets that were received and not taken yet.
    packets: std::collections::VecDeque<String>,
}

impl Polling {
    /// Opens a session and its namespace; the namespace's answer is the first packet.
    pub async fn open(url: &str, token: &str, generation: u32) -> Self {
        let http = http_client();
        let url =
            format!("{url}/socket.io/?EIO={generation}&transport=polling&b64=1&token={token}");
        let text = http.get(&url).send().await.unwrap().text().await.unwrap();
        // The Python SDK's client ignores what arrives with the handshake.
        let handshake = unframe(&text, generation);
        let [open] = handshake.as_slice() else {
            panic!("{handshake:?} is more than a handshake");
        };
        let open: Value = serde_json::from_str(open.strip_prefix('0').unwrap()).unwrap();
        let this = Self {
            http,
            url: format!("{url}&sid={}", open["sid"].as_str().unwrap()),
            generation,
            packets: std::collections::VecDeque::new(),
        };
        if generation == 4 {
            this.send("40").await;
        }
        this
    }

    pub fn sid(&self) -> &str {
        self.url.rsplit_once('=').unwrap().1
    }

    pub async fn send(&self, packet: &str) {
        let body = match self.generation {
            3 => format!("{}:{packet}", packet.chars().count()),
            _ => packet.to_owned(),
        };
        let answer = self.http.post(&self.url).body(body).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), "ok");
    }

    /// The next packet, as text; `None` if the session has ended.
    pub async fn try_next(&mut self) -> Option<String> {
        loop {
            while let Some(packet) = self.packets.pop_front() {
                match packet.as_str() {
                    "2" => self.send("3").await,
                    "1" => return None,
                    "6" => {}
                    _ => return Some(packet),
                }
            }
            let polled = self.http.get(&self.url).send();
            let polled = in_time("a packet", polled).await.unwrap();
            if polled.status() != StatusCode::OK {
                return None;
            }
            let text = polled.text().await.unwrap();
            self.packets.extend(unframe(&text, self.generation));
        }
    }

    pub async fn next(&mut self) -> String {
        self.try_next().await.expect("the socket is closed")
    }

    /// Skips the packet that confirms the namespace.
    pub async fn connected(mut self) -> Self {
        let packet = self.next().await;
        assert!(packet.starts_with("40"), "{packet}");
        self
    }

    pub async fn subscribe(&mut self, ids: &[&str]) {
        self.send(&format!("42{}", json!(["subscribe", ids]))).await;
    }

    /// Subscribes and waits for the confirmation of exactly these.
    pub async fn subscribed(mut self, ids: &[&str]) -> Self {
        self = self.connected().await;
        self.subscribe(ids).await;
        assert_eq!(
            self.next().await,
            format!("42{}", json!(["subscribed", ids]))
        );
        self
    }

    /// The argument of the next packet, which must be an event of this name.
    pub async fn event(&mut self, name: &str) -> Value {
        let packet = self.next().await;
        let event: Value = serde_json::from_str(packet.strip_prefix("42").unwrap_or_default())
            .unwrap_or_else(|_| panic!("{packet:.200}"));
        assert_eq!(event[0], name, "{packet:.200}");
        event[1].clone()
    }
}

fn unframe(text: &str, generation: u32) -> Vec<String> {
    if generation == 4 {
        return text.split('\u{1e}').map(str::to_owned).collect();
    }
    let mut packets = Vec::new();
    let mut rest = text;
    while let Some((length, tail)) = rest.split_once(':') {
        let mut units: usize = length.parse().unwrap();
        let end = tail
            .char_indices()
            .find(|(_, c)| {
                let done = units == 0;
                units = units.saturating_sub(c.len_utf16());
                done
            })
            .map_or(tail.len(), |(at, _)| at);
        packets.push(tail[..end].to_owned());
        rest = &tail[end..];
    }
    packets
}
