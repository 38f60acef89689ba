//! Trusted certificates other than those that a private authority has signed.

use std::path::Path;

use expd_wire::TransportChoice::{Polling, Websocket};

use crate::client::{Client, endpoint};
use crate::node::Node;
use expd_test_support::certificates::Authority;
use expd_test_support::front::{Front, FrontKind};

/// Opens a connection of either kind, or says why there is none.
async fn open(front: &Front, ca_file: Option<&Path>) -> Result<(), String> {
    let mut endpoint = endpoint(&format!("https://127.0.0.1:{}", front.port));
    endpoint.ca_file = ca_file.map(Path::to_owned);
    for transport in [Websocket, Polling] {
        let client = Client::open_at(&endpoint, transport, &mut None).await;
        client.map_err(|error| error.to_string())?.close().await;
    }
    Ok(())
}

#[tokio::test]
async fn a_server_that_is_its_own_authority() {
    let node = Node::start(4).await;
    let stranger = Authority::new();
    for (name, expired, said) in [
        ("127.0.0.1", false, None),
        ("127.0.0.1", true, Some("has expired")),
        ("localhost", false, Some("another name")),
    ] {
        let server = Authority::serving(name, expired);
        let front = Front::start(FrontKind::Tls(node.port, server.acceptor())).await;
        let opened = open(&front, Some(&server.file())).await;
        match said {
            None => opened.unwrap(),
            Some(said) => {
                let refused = opened.unwrap_err();
                assert!(refused.contains(said), "{name}, {expired}: {refused}");
            }
        }
        let refused = open(&front, Some(&stranger.file())).await.unwrap_err();
        let said = if expired {
            "has expired"
        } else {
            "set ca_file"
        };
        assert!(refused.contains(said), "{name}, {expired}: {refused}");
    }
}

/// Run by [`an_authority_that_comes_to_the_system`] in its own process, since all tests share one
/// environment.
#[tokio::test]
#[ignore = "needs the environment that an_authority_that_comes_to_the_system makes"]
async fn trusting_what_the_system_trusts() {
    let system = std::env::var_os("SSL_CERT_FILE").unwrap();
    let node = Node::start(4).await;
    let authority = Authority::new();
    let front = Front::start(FrontKind::Tls(
        node.port,
        authority.sign("127.0.0.1", false),
    ))
    .await;
    let refused = open(&front, None).await.unwrap_err();
    assert!(refused.contains("ca-certificates"), "{refused}");
    std::fs::copy(Authority::new().file(), &system).unwrap();
    let refused = open(&front, None).await.unwrap_err();
    assert!(refused.contains("not trusted"), "{refused}");
    std::fs::copy(authority.file(), &system).unwrap();
    open(&front, None).await.unwrap();
}

#[tokio::test]
async fn an_authority_that_comes_to_the_system() {
    let folder = tempfile::tempdir().unwrap();
    let output = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "--ignored",
            "trust::trusting_what_the_system_trusts",
        ])
        .env("SSL_CERT_FILE", folder.path().join("authorities.pem"))
        .env_remove("SSL_CERT_DIR")
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}
