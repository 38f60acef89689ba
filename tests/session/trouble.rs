//! Errors as an operator is told them when EXP cannot be reached: the cause, the place and the
//! remedy.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use expd::config::InstanceSettings;
use expd::metrics::Counters;
use expd::upstream::session::{Session, SessionState};
use expd::upstream::transport::{CallError, Unbounded};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::world::*;
use expd_test_support::certificates::Authority;
use expd_test_support::cloud::{Cloud, Reply, session};

const HOUR: Duration = Duration::from_secs(3600);

fn here() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

async fn closed_port() -> u16 {
    TcpListener::bind(here())
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Returns the reason that is reported for the failure of the first login.
async fn told(settings: &InstanceSettings) -> String {
    let instance = Instance::start(settings);
    let SessionState::Failed { reason, .. } = instance.becomes(is_failed).await else {
        unreachable!();
    };
    // A caller hears the same, and that nothing was sent.
    let error = instance
        .api
        .request("GET", api_path("/api/devices"), [].into(), None, &Unbounded)
        .await
        .unwrap_err();
    assert!(matches!(error, CallError::Offline { .. }), "{error:?}");
    reason
}

fn says(told: &str, words: &[&str]) {
    for words in words {
        assert!(told.contains(words), "{words:?} is not in {told:?}");
    }
    assert!(!told.contains('\n'), "one line: {told:?}");
}

#[tokio::test]
async fn a_refused_connection() {
    let url = format!("http://127.0.0.1:{}", closed_port().await);
    let told = told(&settings(&url, device("u", "s"))).await;
    says(&told, &[&url, "refuses connections", "host setting"]);
}

#[tokio::test]
async fn a_name_that_does_not_exist() {
    let told = told(&settings("https://nowhere.invalid", device("u", "s"))).await;
    says(&told, &["nowhere.invalid", "cannot be resolved", "DNS"]);
}

#[tokio::test]
async fn certificates_that_do_not_fit() {
    let authority = Authority::new();
    let serve = |name: &'static str, expired| {
        let identity = authority.sign(name, expired);
        Cloud::serve(here(), Some(identity), |_, _| session("t", HOUR))
    };
    let trusting = |cloud: &Cloud| InstanceSettings {
        ca_file: Some(authority.file()),
        ..settings(&cloud.url, device("u", "s"))
    };
    let good = serve("127.0.0.1", false).await;
    Instance::start(&trusting(&good)).logs_in().await;
    says(
        &told(&settings(&good.url, device("u", "s"))).await,
        &["TLS", "127.0.0.1", "issuer is not trusted", "ca_file"],
    );
    let expired = serve("127.0.0.1", true).await;
    says(
        &told(&trusting(&expired)).await,
        &["TLS", "127.0.0.1", "has expired", "clock"],
    );
    let other = serve("other.example", false).await;
    says(
        &told(&trusting(&other)).await,
        &["TLS", "127.0.0.1", "another name", "host setting"],
    );
    for cloud in [good, expired, other] {
        assert!(
            cloud.requests().len() <= 1,
            "nothing was sent where the certificate did not fit"
        );
    }
}

#[tokio::test]
async fn a_server_without_tls() {
    // One answers the handshake in its own words, as HTTP servers do; another hangs up.
    for (words, said) in [
        (
            "HTTP/1.1 400 Bad Request\r\n\r\n",
            "does not speak TLS on that port; write http://",
        ),
        ("", "check that the host speaks TLS on that port"),
    ] {
        let listener = TcpListener::bind(here()).await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.read_u8().await.unwrap();
                stream.write_all(words.as_bytes()).await.unwrap();
            }
        });
        says(
            &told(&settings(&url, device("u", "s"))).await,
            &["TLS", said],
        );
    }
}

fn through(proxy: String, host: &str) -> InstanceSettings {
    InstanceSettings {
        proxy: Some(proxy),
        ..settings(host, device("u", "s"))
    }
}

#[tokio::test]
async fn proxies_that_do_not_let_through() {
    for host in ["http://exp.example", "https://exp.example"] {
        let gone = closed_port().await;
        let told_of = told(&through(
            format!("http://joe:hunter2@127.0.0.1:{gone}"),
            host,
        ))
        .await;
        let place = format!("http://127.0.0.1:{gone}");
        says(
            &told_of,
            &[
                "the proxy",
                &place,
                host,
                "cannot be reached",
                "proxy setting",
            ],
        );
        assert!(!told_of.contains("hunter2"), "{told_of}");

        let strict = Cloud::start(|_, _| Reply::new(407, "who are you?")).await;
        let told_of = told(&through(
            format!("http://joe:hunter2@{}", strict.address),
            host,
        ))
        .await;
        says(
            &told_of,
            &["the proxy", &strict.url, host, "user name and password"],
        );
        assert!(!told_of.contains("hunter2"), "{told_of}");
    }
    let refusing = Cloud::start(|_, _| Reply::new(403, "not there")).await;
    let told_of = told(&through(refusing.url.clone(), "https://exp.example")).await;
    says(
        &told_of,
        &[
            "the proxy",
            &refusing.url,
            "does not connect to https://exp.example",
        ],
    );
    assert!(
        refusing
            .requests()
            .iter()
            .all(|request| request.method == "CONNECT")
    );
}

#[tokio::test]
async fn settings_that_cannot_be_used() {
    let open = |settings: &InstanceSettings| {
        Session::new("default", settings, None, Counters::default().into())
            .err()
            .unwrap()
            .to_string()
    };
    let base = || settings("http://127.0.0.1:1", device("u", "s"));
    let missing = InstanceSettings {
        ca_file: Some("/nowhere/ca.pem".into()),
        ..base()
    };
    says(&open(&missing), &["ca_file", "/nowhere/ca.pem"]);
    let folder = tempfile::tempdir().unwrap();
    for content in [
        "",
        "no certificate",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, content).unwrap();
        let useless = InstanceSettings {
            ca_file: Some(file.clone()),
            ..base()
        };
        says(
            &open(&useless),
            &["ca_file", Path::display(&file).to_string().as_str(), "PEM"],
        );
    }
    let wrong = InstanceSettings {
        proxy: Some("http://joe:hunter2@[nonsense".into()),
        ..base()
    };
    let said = open(&wrong);
    says(&said, &["proxy"]);
    assert!(!said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn no_query_and_no_token_is_ever_told() {
    let cloud = Cloud::start(|request, _| {
        if request.is_login() {
            session("secret-token", HOUR)
        } else {
            Reply::Close
        }
    })
    .await;
    let instance = Instance::start(&settings(&cloud.url, device("u", "s")));
    instance.logs_in().await;
    let query = [("key".to_owned(), "secret-query".to_owned())].into();
    let error = instance
        .api
        .request("GET", api_path("/api/devices"), query, None, &Unbounded)
        .await
        .unwrap_err();
    let said = format!(
        "{error} {error:?} {:?} {:?}",
        instance.session,
        instance.session.state()
    );
    assert!(!said.contains("secret-"), "{said}");
    assert!(said.contains(&cloud.url), "{said}");
}
