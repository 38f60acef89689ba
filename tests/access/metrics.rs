//! Metrics are nobody's secret.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use expd_test_support::DEADLINE;
use expd_test_support::process::{Daemon, Home};

use crate::actor::Actor;

#[tokio::test]
async fn metrics_are_served_to_whoever_asks() {
    let home = Home::new("metrics = \"127.0.0.1:0\"\n");
    let mut daemon = start_with_metrics(&home);
    let address = daemon.1.clone();
    let mut root = Actor::connect(&home.socket()).await;
    assert_eq!(root.does("listen menu").await, "done");
    assert_eq!(root.does("broadcast menu").await, "done");
    assert_eq!(root.does("hear -").await, "e");
    let page = get(&address, "/metrics");
    let (head, text) = page.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(
        head.contains("content-type: text/plain; version=0.0.4"),
        "{head}"
    );
    for line in [
        "# TYPE expd_broadcasts_sent_total counter",
        "expd_broadcasts_sent_total{exp_instance=\"default\"} 1",
        "expd_deliveries_total{exp_instance=\"default\"} 1",
        "expd_link_state{exp_instance=\"default\",state=\"online\"} 1",
        "expd_link_state{exp_instance=\"default\",state=\"offline\"} 0",
        "expd_listeners{exp_instance=\"default\"} 1",
        "expd_channels_confirmed{exp_instance=\"default\"} 1",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\n{text}");
    }
    for name in [
        "expd_log_bytes",
        "expd_token_expiry_timestamp_seconds",
        "process_resident_memory_bytes",
        "process_open_fds",
    ] {
        let value = text.lines().find(|l| l.starts_with(name)).unwrap();
        let value: f64 = value.rsplit_once(' ').unwrap().1.parse().unwrap();
        assert!(value > 0.0, "{name}: {value}");
    }
    assert!(get(&address, "/").starts_with("HTTP/1.1 404"));
    // The port is taken now.
    let second = Home::new(&format!("metrics = \"{address}\"\n"));
    let mut command = second.command(&[]);
    command.arg("--socket").arg(second.socket());
    let mut second = Daemon::spawn(&mut command);
    assert_eq!(second.ended().code(), Some(1));
    let said = second.heard();
    assert!(
        said.contains(&format!(
            "cannot serve metrics on {address} (daemon.metrics)"
        )),
        "{said}"
    );
    daemon.0.signal("TERM");
    assert!(daemon.0.ended().success());
}

/// Starts the daemon; the address of its metrics comes with it.
fn start_with_metrics(home: &Home) -> (Daemon, String) {
    let mut command = home.command(&[]);
    command.arg("--socket").arg(home.socket());
    let mut daemon = Daemon::spawn(&mut command);
    daemon.said("serving on");
    let line = daemon.said("metrics at http://");
    let address = line.split("http://").nth(1).unwrap();
    (daemon, address.trim_end_matches("/metrics").to_owned())
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}
