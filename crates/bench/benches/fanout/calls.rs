//! Cost of a broadcast through the daemon compared with one sent to the network directly, and of
//! two thousand concurrent ones.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use expd_bench::process::Process;
use expd_client::Client;
use expd_domain::identity::Authentication;
use expd_domain::login::{self, Claims};
use expd_domain::{Channel, Payload, Secret};
use expd_hub::{Hub, HubDevice, HubSettings};
use serde::Serialize;
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Sequential calls over each route, alternating every ten.
const CALLS: usize = 2_000;

/// Concurrent calls.
const AT_ONCE: usize = 2_000;

/// Rounds of `AT_ONCE` calls: a leak would grow with each.
const ROUNDS: usize = 20;

/// Latencies, failures, throughput and memory.
#[derive(Clone, Debug, Serialize)]
pub struct Calls {
    /// Median in microseconds, to the network directly.
    pub direct_p50: f64,
    /// Through the daemon.
    pub daemon_p50: f64,
    /// The 99th percentile, to the network directly.
    pub direct_p99: f64,
    /// Through the daemon.
    pub daemon_p99: f64,
    /// Failed concurrent calls.
    pub failures: usize,
    /// Concurrent calls per second.
    pub rate: f64,
    /// The daemon's resident memory in KiB after each round of concurrent calls.
    pub rss: Vec<u64>,
}

/// The network of this part, in a separate process: the embedded one, over real HTTP.
pub async fn hub() {
    let settings = HubSettings {
        listen: ([127, 0, 0, 1], 0).into(),
        devices: vec![HubDevice {
            uuid: "screen".to_owned(),
            secret: Secret::new("secret"),
        }],
        ..HubSettings::default()
    };
    let hub = Hub::bind(&settings).await.unwrap();
    println!("{}", hub.local_addr().port());
    hub.serve(CancellationToken::new()).await.unwrap();
}

pub async fn measure(binary: &Path) -> Calls {
    let folder = tempfile::tempdir().unwrap();
    let mut hub = Process::role(&["hub"]);
    let port = hub.line();
    let daemon = super::run::daemon(folder.path(), &port, binary);
    let socket = folder.path().join("socket");
    let channel = Channel::new("menu");
    let payload = Payload::parse(r#"{"table":7}"#).unwrap();
    let client = connected(&socket, &channel, &payload).await;

    let host = format!("http://127.0.0.1:{port}");
    tokio_rustls::rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let http = expd_bench::http_client();
    let token = log_in(&http, &host).await;
    let body = json!({"name": "order", "channel": {"name": "menu"}, "payload": {"table": 7}});
    let url = format!("{host}/api/networks/current/broadcasts?timeout=0");
    let (mut direct, mut through) = (Vec::new(), Vec::new());
    while direct.len() < CALLS {
        for _ in 0..10 {
            let started = Instant::now();
            let answer = http
                .post(&url)
                .bearer_auth(&token)
                .header("content-type", "application/json")
                .body(body.to_string())
                .send()
                .await
                .unwrap();
            assert!(answer.status().is_success(), "{}", answer.status());
            answer.bytes().await.unwrap();
            direct.push(started.elapsed());
        }
        for _ in 0..10 {
            let started = Instant::now();
            client
                .broadcast("", &channel, "order", &payload, Some(Duration::ZERO))
                .await
                .unwrap();
            through.push(started.elapsed());
        }
    }
    let (mut failures, mut rss) = (0, Vec::new());
    let started = Instant::now();
    for _ in 0..ROUNDS {
        let mut calls = JoinSet::new();
        for _ in 0..AT_ONCE {
            let (client, channel, payload) = (client.clone(), channel.clone(), payload.clone());
            calls.spawn(async move {
                client
                    .broadcast("", &channel, "order", &payload, Some(Duration::ZERO))
                    .await
            });
        }
        while let Some(call) = calls.join_next().await {
            if let Err(error) = call.unwrap() {
                failures += 1;
                eprintln!("{error}");
            }
        }
        rss.push(daemon.spent().rss);
    }
    direct.sort_unstable();
    through.sort_unstable();
    let micro =
        |sorted: &[Duration], of: usize| sorted[sorted.len() * of / 100].as_secs_f64() * 1e6;
    Calls {
        direct_p50: micro(&direct, 50),
        daemon_p50: micro(&through, 50),
        direct_p99: micro(&direct, 99),
        daemon_p99: micro(&through, 99),
        failures,
        rate: (ROUNDS * AT_ONCE) as f64 / started.elapsed().as_secs_f64(),
        rss,
    }
}

/// The results as text.
pub fn describe(calls: &Calls) -> String {
    let mut text = "\nBroadcast calls\n".to_owned();
    let Calls {
        direct_p50,
        daemon_p50,
        direct_p99,
        daemon_p99,
        failures,
        rate,
        rss,
    } = calls;
    writeln!(
        text,
        "  directly            p50 {direct_p50:>6.0} µs   p99 {direct_p99:>6.0} µs"
    )
    .ok();
    writeln!(
        text,
        "  through expd        p50 {daemon_p50:>6.0} µs   p99 {daemon_p99:>6.0} µs"
    )
    .ok();
    writeln!(
        text,
        "  added               p50 {:>6.0} µs   (goal: at most 300)",
        daemon_p50 - direct_p50
    )
    .ok();
    writeln!(
        text,
        "  {AT_ONCE} at a time, {ROUNDS} times: {failures} failures, {rate:.0} a second, RSS after each {rss:?} KiB"
    ).ok();
    text
}

async fn log_in(http: &reqwest::Client, host: &str) -> String {
    let claims = Claims::Device {
        uuid: "screen".to_owned(),
        allow_pairing: false,
        iat: 0,
        exp: None,
    };
    let body = json!({"token": login::sign(&claims, &Secret::new("secret"))});
    let answer = http
        .post(format!("{host}/api/auth/login"))
        .header("content-type", "application/json")
        .body(body.to_string())
        .send()
        .await
        .unwrap();
    let answer: Authentication = answer.json().await.unwrap();
    answer.token.expose().to_owned()
}

/// A client of a daemon that is online.
async fn connected(socket: &Path, channel: &Channel, payload: &Payload) -> Client {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Ok(client) = Client::connect(Some(socket.to_owned())).await
            && client
                .broadcast("", channel, "order", payload, Some(Duration::ZERO))
                .await
                .is_ok()
        {
            return client;
        }
        assert!(Instant::now() < deadline, "the daemon is not online");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
