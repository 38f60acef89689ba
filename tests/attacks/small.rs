//! Small doors: text that is none, health of what is not there, and the log as something to be
//! filled.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};

use expd_proto::health::health_check_response::ServingStatus;
use expd_proto::health::health_client::HealthClient;
use expd_proto::health::{HealthCheckRequest, HealthCheckResponse, HealthListRequest};
use tonic::Code;

use expd_test_support::DEADLINE;
use expd_test_support::http2::channel_as;
use expd_test_support::process::{Home, program};

/// The command line with bytes on its standard input.
fn expd_with(home: &Home, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(program())
        .args(arguments)
        .arg("--socket")
        .arg(home.socket())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn text_that_is_not_utf_8_is_wrong_usage_and_says_so() {
    let home = Home::new("");
    let _daemon = home.start();
    let latin1 = b"{\"dish\": \"cr\xe8me\"}";
    let file = home.folder.path().join("payload.json");
    std::fs::write(&file, latin1).unwrap();
    let file = format!("@{}", file.display());
    for (arguments, named) in [
        (&["broadcast", "menu", "order", "-"][..], "standard input"),
        (
            &["respond", "broadcast-id", "channel-id", "-"],
            "standard input",
        ),
        (&["api", "post", "/api/data/a/b", "-"], "standard input"),
        (&["broadcast", "menu", "order", &file], "payload.json"),
    ] {
        let output = expd_with(&home, arguments, latin1);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(
            said.contains(named) && said.contains("is not UTF-8 (at byte 12), as JSON must be"),
            "{said}"
        );
    }
    // The same as it should be.
    let output = expd_with(
        &home,
        &["broadcast", "menu", "order", "-"],
        "\"crème\"".as_bytes(),
    );
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test]
async fn a_watch_of_a_service_that_is_not_there_stays_open() {
    let home = Home::new("");
    let mut daemon = home.start();
    let uid = rustix::process::geteuid().as_raw();
    let mut health = HealthClient::new(channel_as(&home.socket(), uid).await);
    let ask = |service: &str| HealthCheckRequest {
        service: service.to_owned(),
    };
    let missing = health.check(ask("no.such.Service")).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
    assert!(missing.message().contains("expd.v1.Network"), "{missing}");
    let mut unknown = health
        .watch(ask("no.such.Service"))
        .await
        .unwrap()
        .into_inner();
    let mut known = health.watch(ask("expd.v1.Api")).await.unwrap().into_inner();
    let first = unknown.message().await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::ServiceUnknown);
    assert_eq!(
        known.message().await.unwrap().unwrap().status(),
        ServingStatus::Serving
    );
    // Nothing more comes while the daemon runs: the end is what comes next.
    daemon.signal("TERM");
    let last = tokio::time::timeout(DEADLINE, known.message())
        .await
        .unwrap();
    assert_eq!(last.unwrap().unwrap().status(), ServingStatus::NotServing);
    let end = tokio::time::timeout(DEADLINE, unknown.message())
        .await
        .unwrap();
    assert!(!matches!(end, Ok(Some(_))), "{end:?}");
    assert!(daemon.ended().success());
}

#[tokio::test]
async fn the_health_of_all_services_is_listed() {
    let home = Home::new("");
    let _daemon = home.start();
    let uid = rustix::process::geteuid().as_raw();
    let mut health = HealthClient::new(channel_as(&home.socket(), uid).await);
    // The network's services serve once it is online.
    let all_serve = async {
        loop {
            let list = health.list(HealthListRequest {}).await.unwrap();
            let statuses = list.into_inner().statuses;
            let serves = |status: &HealthCheckResponse| status.status() == ServingStatus::Serving;
            if statuses.values().all(serves) {
                return statuses;
            }
        }
    };
    let statuses = tokio::time::timeout(DEADLINE, all_serve).await.unwrap();
    let mut names: Vec<&str> = statuses.keys().map(|name| &**name).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "",
            "expd.v1.Api",
            "expd.v1.Daemon",
            "expd.v1.Network",
            "expd.v1.Network/default"
        ]
    );
}

#[test]
fn a_stranger_at_the_network_cannot_fill_the_log() {
    let home = Home::new("");
    let mut daemon = home.start();
    let network = daemon.said("EXP network    http://");
    let address = network.split("http://").nth(1).unwrap().to_owned();
    daemon.said("logged in as device ");
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let body = "{\"token\":\"nonsense\"}";
    for _ in 0..1000 {
        let request = format!(
            "POST /api/auth/login HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        // The head and the body of an answer come together or one after the other; its length is in
        // the head.
        let mut answer = Vec::new();
        let mut bytes = [0; 4096];
        loop {
            let length = stream.read(&mut bytes).unwrap();
            assert!(length > 0, "the network hung up");
            answer.extend_from_slice(&bytes[..length]);
            let text = String::from_utf8_lossy(&answer);
            let Some((head, rest)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            assert!(head.starts_with("HTTP/1.1 401"), "{head}");
            let length = head.lines().find_map(|line| {
                line.to_lowercase()
                    .strip_prefix("content-length: ")
                    .map(str::to_owned)
            });
            if rest.len() >= length.unwrap().parse::<usize>().unwrap() {
                break;
            }
        }
    }
    daemon.signal("TERM");
    assert!(daemon.ended().success());
    let heard = daemon.heard();
    let lines = heard.matches("refused a login").count();
    // The last of those that are shown says so, and the count comes with the end.
    assert!((2..=62).contains(&lines), "{lines} lines");
    assert!(
        heard.contains("similar records are suppressed for a minute"),
        "{heard}"
    );
    assert!(
        heard.contains("940 similar records suppressed within"),
        "{heard}"
    );
}
