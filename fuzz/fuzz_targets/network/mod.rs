//! A network in this process, without TCP, on a clock that jumps to the next timer.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{HOST, HeaderValue};
use axum::http::{Request, StatusCode};
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

use expd_domain::Secret;
use expd_domain::login::{self, Claims};
use expd_hub::{Hub, HubDevice, HubSettings};

/// Key that the operator proves itself with.
pub const OPERATOR_KEY: &str = "operator key";

/// The network, and a token of its one device.
pub struct Network {
    service: Router,
    runtime: Runtime,
    pub token: String,
}

thread_local! {
    /// Never dropped: the sockets that are open then would be reported as leaks.
    static NETWORK: &'static Network = Box::leak(Box::new(Network::new()));
}

impl Network {
    pub fn with(run: impl FnOnce(&Self)) {
        NETWORK.with(|network| run(network));
    }

    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("no runtime");
        let settings = HubSettings {
            listen: ([127, 0, 0, 1], 0).into(),
            devices: vec![HubDevice {
                uuid: "screen".to_owned(),
                secret: Secret::new("secret"),
            }],
            // The clock jumps by hours, but tokens use another clock.
            token_ttl: Duration::from_secs(86_400),
            token_key: Some(Secret::new("token key")),
            operator_key: Some(Secret::new(OPERATOR_KEY)),
            ..HubSettings::default()
        };
        let hub = runtime.block_on(Hub::bind(&settings)).expect("no network");
        let service = hub.service(([127, 0, 0, 1], 1).into());
        let mut network = Self {
            service,
            runtime,
            token: String::new(),
        };
        let claims = Claims::Device {
            uuid: "screen".to_owned(),
            allow_pairing: false,
            iat: 0,
            exp: None,
        };
        let login = login::sign(&claims, &Secret::new("secret"));
        let login = serde_json::json!({"token": login}).to_string();
        let request = Request::post("/api/auth/login")
            .header("content-type", "application/json")
            .body(Body::from(login))
            .expect("no request");
        let (status, answer) = network
            .ask(request, Duration::from_secs(10))
            .expect("no login");
        assert_eq!(status, StatusCode::OK, "{answer}");
        let answer: serde_json::Value = serde_json::from_str(&answer).expect("no JSON");
        network.token = answer["token"].as_str().expect("no token").to_owned();
        network
    }

    /// Advances the clock.
    #[allow(dead_code, reason = "one of the targets has no need to")]
    pub fn rest(&self, time: Duration) {
        self.runtime
            .block_on(async { tokio::time::sleep(time).await });
    }

    /// Status and body, if they arrive in time.
    pub fn ask(
        &self,
        mut request: Request<Body>,
        within: Duration,
    ) -> Option<(StatusCode, String)> {
        // HTTP/1.1 requires it.
        let host = HeaderValue::from_static("127.0.0.1");
        request.headers_mut().entry(HOST).or_insert(host);
        let answered = async {
            let answer = match self.service.clone().oneshot(request).await {
                Ok(answer) => answer,
                Err(never) => match never {},
            };
            let status = answer.status();
            let body = to_bytes(answer.into_body(), 64 << 20).await.ok()?;
            Some((status, String::from_utf8_lossy(&body).into_owned()))
        };
        self.runtime
            .block_on(async { tokio::time::timeout(within, answered).await })
            .ok()?
    }
}
