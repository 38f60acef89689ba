//! `expd hub` as a process with a store, and a client that counts what was acknowledged.

use std::process::Command;
use std::sync::Arc;

use expd_domain::Secret;
use expd_domain::login::{self, Claims};
use expd_test_support::in_time;
use expd_test_support::network::http_client;
use expd_test_support::process::{Daemon, Home, program};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::watch;

const SETTINGS: &str = r#"
[[hub.devices]]
uuid = "device-1"
secret = "device secret"
[[hub.devices]]
uuid = "device-2"
secret = "device secret"
"#;

pub struct StoredHub {
    daemon: Daemon,
    pub url: String,
    config: std::path::PathBuf,
}

impl StoredHub {
    pub fn home() -> Home {
        Home::new(SETTINGS)
    }

    pub fn command(home: &Home) -> Command {
        let mut command = Command::new(program());
        command
            .args(["hub", "--config"])
            .arg(home.config())
            .env("EXPD__HUB__STORE", home.folder.path().join("hub.db"));
        command
    }

    pub fn start(home: &Home) -> Self {
        let mut daemon = Daemon::spawn(&mut Self::command(home));
        let said = daemon.said("an EXP network at http://");
        let (_, address) = said.split_once("http://").unwrap();
        Self {
            url: format!("http://{}", address.split(',').next().unwrap()),
            daemon,
            config: home.config(),
        }
    }

    /// By SIGKILL: it has no time for anything.
    pub fn kill(&mut self) {
        self.daemon.child.kill().unwrap();
        self.daemon.child.wait().unwrap();
    }

    /// By SIGTERM, in order.
    pub fn stop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.daemon.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(self.daemon.child.wait().unwrap().success());
    }

    pub fn operate(&self, arguments: &[&str]) {
        let mut command = Command::new(program());
        command
            .arg("hub")
            .args(arguments)
            .arg("--config")
            .arg(&self.config);
        command.args(["--network", self.url.strip_prefix("http://").unwrap()]);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
    }

    pub async fn try_log_in(&self, uuid: &str, secret: &str) -> (u16, Value) {
        self.post_login(uuid, secret, false).await
    }

    async fn post_login(&self, uuid: &str, secret: &str, allow_pairing: bool) -> (u16, Value) {
        let claims = Claims::Device {
            uuid: uuid.into(),
            allow_pairing,
            iat: 0,
            exp: None,
        };
        let token = login::sign(&claims, &Secret::new(secret));
        let body = json!({"token": token.expose()}).to_string();
        let request = http_client()
            .post(format!("{}/api/auth/login", self.url))
            .header("content-type", "application/json")
            .body(body);
        answer(request).await.unwrap()
    }

    pub async fn pairing_code(&self) -> String {
        let (_, login) = self.post_login("", "_", true).await;
        let code = login["identity"]["pairingCode"].as_str();
        code.unwrap_or_else(|| panic!("{login}")).to_owned()
    }

    pub async fn log_in(&self, uuid: &str, secret: &str) -> Client {
        let (status, login) = self.try_log_in(uuid, secret).await;
        assert_eq!(status, 200, "{login}");
        Client {
            http: http_client(),
            url: self.url.clone(),
            token: login["token"].as_str().unwrap().to_owned(),
            acknowledged: Arc::new(watch::Sender::new(0)),
        }
    }
}

#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
    acknowledged: Arc<watch::Sender<usize>>,
}

impl Client {
    /// The same login at the hub that came back.
    pub fn at(self, hub: &StoredHub) -> Self {
        Self {
            url: hub.url.clone(),
            ..self
        }
    }

    /// A request; an error where the hub was killed meanwhile.
    pub async fn try_call(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> reqwest::Result<(u16, Value)> {
        let request = self
            .http
            .request(method, format!("{}{path}", self.url))
            .bearer_auth(&self.token)
            .header("content-type", "application/json")
            .body(body.to_string());
        answer(request).await
    }

    pub async fn call(&self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let answer = self.try_call(method, path, body).await.unwrap();
        assert!(answer.0 < 400, "{path}: {answer:?}");
        answer
    }

    /// `None` where there is none.
    pub async fn get(&self, path: &str) -> Option<Value> {
        let (status, document) = self
            .try_call(Method::GET, path, &Value::Null)
            .await
            .unwrap();
        assert!(matches!(status, 200 | 404), "{status}: {document}");
        (status == 200).then_some(document)
    }

    pub async fn upload(
        &self,
        parent: &str,
        name: &str,
        content: Vec<u8>,
    ) -> reqwest::Result<(u16, Value)> {
        let mut body = Vec::new();
        for (field, value) in [("parent", parent), ("name", name)] {
            let head = format!("--XX\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n");
            body.extend(format!("{head}{value}\r\n").as_bytes());
        }
        body.extend(
            b"--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n",
        );
        body.extend(content);
        body.extend(b"\r\n--XX--\r\n");
        let request = self
            .http
            .post(format!("{}/api/content", self.url))
            .bearer_auth(&self.token)
            .header("content-type", "multipart/form-data; boundary=XX")
            .body(body);
        answer(request).await
    }

    /// Content of a file; `None` where there is none.
    pub async fn deliver(&self, path: &str) -> Option<Vec<u8>> {
        let request = self.http.get(format!("{}/api/delivery{path}", self.url));
        let response = request.bearer_auth(&self.token).send().await.unwrap();
        let is_there = response.status() == 200;
        let bytes = response.bytes().await.unwrap();
        is_there.then(|| bytes.to_vec())
    }

    /// Counts a write that was acknowledged.
    pub fn acknowledge(&self) {
        self.acknowledged.send_modify(|count| *count += 1);
    }

    pub fn count(&self) -> usize {
        *self.acknowledged.borrow()
    }

    /// Waits until so many writes were acknowledged.
    pub async fn acknowledged(&self, wanted: usize) {
        let mut count = self.acknowledged.subscribe();
        let reached = count.wait_for(|count| *count >= wanted);
        in_time("writes are acknowledged", reached).await.unwrap();
    }
}

async fn answer(request: reqwest::RequestBuilder) -> reqwest::Result<(u16, Value)> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    let text = response.text().await?;
    Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
}
