//! The metrics as a monitor sees them, what watches them, and the health of the network.
//!
//! `promtool` judges names, alert rules and their tests; where it is missing, the test says so and
//! passes (tests/run installs it).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use expd_client::Client;
use expd_test_support::daemon::Daemon as ServedDaemon;
use expd_test_support::eventually;
use expd_test_support::network::Network;
use expd_test_support::process::{Daemon, Home};
use expd_wire::ProtocolChoice;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

/// A daemon with its metrics on a Unix socket, and one instance whose network is not there.
struct Watched {
    home: Home,
    _daemon: Daemon,
}

impl Watched {
    fn start() -> Self {
        let home = Home::new("");
        home.write(&format!(
            "metrics_socket = \"{}\"\n[instances.default]\nhost = \"http://127.0.0.1:0\"\n[instances.default.credentials]\ntype = \"device\"\nallow_pairing = true\n\
             [instances.away]\nhost = \"http://127.0.0.1:1\"\n[instances.away.credentials]\ntype = \"device\"\nuuid = \"d\"\nsecret = \"s\"\n",
            home.folder.path().join("metrics.sock").display()
        ));
        let mut daemon = home.start();
        daemon.said("the pairing code is ");
        daemon.said("the login failed");
        Self {
            home,
            _daemon: daemon,
        }
    }

    fn metrics(&self) -> String {
        let path = self.home.folder.path().join("metrics.sock");
        let mut stream = UnixStream::connect(path).unwrap();
        // Over a Unix socket any Host will do.
        let request = "GET /metrics HTTP/1.1\r\nHost: expd.example\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        let (head, text) = page.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        text.to_owned()
    }
}

/// The names of the families in a page.
fn families(page: &str) -> BTreeSet<String> {
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect()
}

/// The metrics that a text names.
fn named(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !is_part(c));
    words
        .filter(|word| word.starts_with("expd_") || word.starts_with("process_"))
        .map(|word| word.trim_end_matches("_bucket").to_owned())
        .collect()
}

fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(in_repository(path)).unwrap()
}

/// Runs promtool, with a text on its standard input; false where it is not there.
fn promtool(arguments: &[&str], input: &str) -> bool {
    let command = Command::new("promtool")
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = command else {
        let mut stderr = std::io::stderr();
        writeln!(
            stderr,
            "SKIPPED: promtool {arguments:?}: it is not here; apt-get install prometheus"
        )
        .unwrap();
        return false;
    };
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
    true
}

#[tokio::test]
async fn metrics_have_the_names_that_prometheus_asks_for_and_each_is_documented() {
    let watched = Watched::start();
    let client = Client::connect(Some(watched.home.socket())).await.unwrap();
    // A call that works, one that is refused, and one that is not there.
    client.status().await.unwrap();
    client.cancel("nobody's").await.unwrap_err();
    // The socket opens a moment after the login.
    let pairing = "expd_link_state{exp_instance=\"default\",state=\"pairing\"} 1";
    let page = eventually("it waits to be paired", async || {
        let page = watched.metrics();
        let is_pairing = page.lines().any(|line| line == pairing);
        if is_pairing { Ok(page) } else { Err(page) }
    })
    .await;
    promtool(&["check", "metrics"], &page);
    for line in [
        "expd_calls_total{method=\"expd.v1.Network/CancelListener\",status=\"NOT_FOUND\"} 1",
        "expd_calls_total{method=\"expd.v1.Network/Broadcast\",status=\"OK\"} 0",
        "expd_call_duration_seconds_count{method=\"expd.v1.Daemon/GetStatus\"} 1",
        "expd_run_instances{state=\"online\"} 0",
        "expd_refused_calls_total{permission=\"listen\",caller=\"program\"} 0",
        "expd_settings_refused 0",
    ] {
        assert!(page.lines().any(|l| l == line), "{line}\n{page}");
    }
    // The daemon tries before long, and says why it does not get through.
    let cause =
        "expd_link_changes_total{exp_instance=\"away\",state=\"offline\",cause=\"login_failed\"} ";
    assert!(page.lines().any(|l| l.starts_with(cause)), "{page}");
    let documented: BTreeSet<String> = named(&read("docs/metrics.md"));
    let mut exposed = families(&page);
    // Of a device that has heard nothing yet.
    exposed.insert("expd_last_broadcast_timestamp_seconds".to_owned());
    assert_eq!(
        documented, exposed,
        "docs/metrics.md, and what the daemon exposes"
    );
}

#[tokio::test]
async fn what_watches_the_metrics_names_no_other() {
    let documented = named(&read("docs/metrics.md"));
    for path in [
        "config/grafana/expd.json",
        "config/prometheus/expd.rules.yml",
    ] {
        let text = read(path);
        let unknown: Vec<_> = named(&text).difference(&documented).cloned().collect();
        assert!(unknown.is_empty(), "{path} names {unknown:?}");
    }
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("config/grafana/expd.json")).unwrap();
    let mut expressions = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            // Grafana's own variables stand where PromQL wants a duration or a value.
            let expression = target["expr"]
                .as_str()
                .unwrap()
                .replace("$__rate_interval", "5m");
            let rule =
                format!("groups: [{{name: g, rules: [{{record: r, expr: {expression:?}}}]}}]");
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), rule).unwrap();
            promtool(&["check", "rules", file.path().to_str().unwrap()], "");
            expressions += 1;
        }
    }
    assert!(expressions > 20, "{expressions}");
    promtool(&["check", "rules", "config/prometheus/expd.rules.yml"], "");
    promtool(
        &["test", "rules", "config/prometheus/expd.rules.test.yml"],
        "",
    );
}

#[tokio::test]
async fn the_network_is_healthy_while_it_is_reached_and_a_watch_tells_each_change() {
    let mut network = Network::start(Duration::from_secs(3600)).await;
    let daemon = ServedDaemon::start(network.address(), ProtocolChoice::V4);
    let channel =
        tonic::transport::Endpoint::try_from(format!("unix:{}", daemon.socket().display()))
            .unwrap()
            .connect()
            .await
            .unwrap();
    let mut health = HealthClient::new(channel);
    let asked = |service: &str| HealthCheckRequest {
        service: service.to_owned(),
    };
    let watch = health
        .watch(asked("expd.v1.Network/default"))
        .await
        .unwrap();
    let mut watch = watch.into_inner();
    let mut next = async || watch.message().await.unwrap().unwrap().status();
    let mut told = next().await;
    while told != ServingStatus::Serving {
        assert_eq!(told, ServingStatus::NotServing);
        told = next().await;
    }
    network.kill().await;
    assert_eq!(next().await, ServingStatus::NotServing);
    for (service, wanted) in [
        ("expd.v1.Network", ServingStatus::NotServing),
        ("expd.v1.Network/default", ServingStatus::NotServing),
        ("", ServingStatus::Serving),
        ("expd.v1.Api", ServingStatus::Serving),
        ("expd.v1.Daemon", ServingStatus::Serving),
    ] {
        let answer = health.check(asked(service)).await.unwrap().into_inner();
        assert_eq!(answer.status(), wanted, "{service:?}");
    }
    let unknown = health
        .check(asked("expd.v1.Network/nobody"))
        .await
        .unwrap_err();
    assert_eq!(unknown.code(), tonic::Code::NotFound);
    assert!(
        unknown.message().contains("\"expd.v1.Network/default\""),
        "{unknown}"
    );
    network.start_again().await;
    assert_eq!(next().await, ServingStatus::Serving);
    network.stop().await;
}
