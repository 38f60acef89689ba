//! A network in the test's own process, a daemon on it as a process of its own, and its door.

use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use expd_domain::{Alphabet, Channel, ChannelId, Secret, login};
use expd_test_support::network::{DAEMON, Network, Sender, http_client, secret_of};
use expd_test_support::process::{Daemon, Home, program};
use serde_json::{Value, json};

/// Origin of the app `board`.
pub const BOARD_ORIGIN: &str = "https://kiosk.example";

/// Origin of the app `till`.
pub const TILL_ORIGIN: &str = "https://till.example";

/// Name of all broadcasts here.
const NAME: &str = "number";

pub struct PageHost {
    pub network: Network,
    pub sender: Sender,
    pub http: reqwest::Client,
    pub home: Home,
    pub daemon: Daemon,
    pub port: u16,
}

/// A request's answer.
#[derive(Debug)]
pub struct Answered {
    pub status: u16,
    pub json: Value,
}

impl Answered {
    pub fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }

    pub fn text(&self, name: &str) -> String {
        let found = self.json[name].as_str();
        found.unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }
}

impl PageHost {
    /// The daemon is online.
    pub async fn start() -> Self {
        Self::with_limits("").await
    }

    /// With these keys of `[daemon]`.
    pub async fn with_limits(limits: &str) -> Self {
        let mut network = Network::dark(&[DAEMON], |_| {}).await;
        network.start_again().await;
        let mut host = Self::on(network, limits);
        host.daemon
            .said_one_of(&[" online ", r#""event":"online""#]);
        host
    }

    /// The network has never been there.
    pub async fn dark() -> Self {
        Self::on(Network::dark(&[DAEMON], |_| {}).await, "")
    }

    fn on(network: Network, limits: &str) -> Self {
        let home = Home::new(&settings(&network, limits));
        let mut command = Command::new(program());
        command
            .args(["serve", "--config"])
            .arg(home.config())
            .arg("--socket")
            .arg(home.socket())
            .env_remove("EXPD_SOCKET")
            .env_remove("NOTIFY_SOCKET")
            .env_remove("JOURNAL_STREAM");
        let mut daemon = Daemon::spawn(&mut command);
        let line = daemon.said("serving pages on http://127.0.0.1:");
        let (_, rest) = line.split_once("http://127.0.0.1:").unwrap();
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
        Self {
            sender: network.sender(),
            http: http_client(),
            network,
            home,
            daemon,
            port: digits.unwrap().parse().unwrap(),
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// ID of the channel that pages here listen on.
    pub fn channel_id(&self) -> ChannelId {
        let organization = &self.network.settings.organization;
        ChannelId::encode(organization, &channel(), Alphabet::Standard)
    }

    /// Broadcasts a number on it.
    pub async fn send(&self, number: u64) {
        let sent = self.sender.send(&channel(), NAME, number).await;
        assert_eq!(sent, expd_test_support::network::Outcome::Sent, "{number}");
    }

    /// Broadcasts a number in a payload of this many bytes.
    pub async fn send_large(&self, number: u64, bytes: usize) {
        let payload = format!("[{number},\"{}\"]", "x".repeat(bytes));
        let sent = self.sender.send_json(&channel(), NAME, &payload).await;
        assert_eq!(sent, expd_test_support::network::Outcome::Sent, "{number}");
    }

    /// A request of a page.
    pub async fn ask(&self, method: &str, path: &str, origin: &str, token: &str) -> Answered {
        let request = self.http.request(method.parse().unwrap(), self.url(path));
        let request = request.header("Origin", origin).bearer_auth(token);
        answered(request).await
    }

    /// Logs in as an app with a key.
    pub async fn try_log_in(&self, app: &str, key: &str, origin: &str) -> Answered {
        let expires = SystemTime::now() + Duration::from_secs(30);
        let expires = expires.duration_since(UNIX_EPOCH).unwrap().as_secs();
        let claims = json!({"type": "consumerApp", "uuid": app, "exp": expires});
        let proof = login::sign(&claims, &Secret::new(key));
        let request = self
            .http
            .post(self.url("/api/auth/login"))
            .header("Origin", origin)
            .json(&json!({"token": proof.expose()}));
        answered(request).await
    }

    /// Token of a new login of the app `board`.
    pub async fn log_in(&self) -> String {
        let login = self.try_log_in("board", "board-key", BOARD_ORIGIN).await;
        assert_eq!(login.status, 200, "{login:?}");
        login.text("token")
    }
}

pub async fn answered(request: reqwest::RequestBuilder) -> Answered {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.bytes().await.unwrap();
    let json = serde_json::from_slice(&body).unwrap_or_default();
    Answered { status, json }
}

fn channel() -> Channel {
    Channel::new("menu")
}

fn settings(network: &Network, limits: &str) -> String {
    let app = |name: &str, origin: &str| {
        format!(
            "[[web.apps]]\nname = \"{name}\"\nuuid = \"{name}\"\napi_key = \"{name}-key\"\norigins = [\"{origin}\"]\n\
             [[access]]\napp = \"{name}\"\nallow = [\"listen\", \"broadcast\", \"respond\", \"request\"]\n"
        )
    };
    format!(
        "{limits}\n[instances.default]\nhost = \"{}\"\n[instances.default.credentials]\ntype = \"device\"\nuuid = \"{DAEMON}\"\nsecret = \"{}\"\n\
         [web]\nlisten = \"127.0.0.1:0\"\n{}{}",
        network.url(),
        secret_of(DAEMON).expose(),
        app("board", BOARD_ORIGIN),
        app("till", TILL_ORIGIN),
    )
}
