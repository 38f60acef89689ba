//! Content through the daemon: bytes as they are, in any size, encoded or not.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use expd::config::Settings;
use expd_client::{Client, ClientError, Code};
use expd_proto as proto;
use expd_proto::api_client::ApiClient;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};

use expd_test_support::cloud::{Cloud, Reply, Request, login_here, session};
use expd_test_support::daemon::{Daemon, instance};
use expd_test_support::eventually;
use expd_test_support::http2::channel;
use expd_test_support::network::DAEMON;

/// Bytes of a file that is no text.
fn file() -> Vec<u8> {
    (0..300_000_u32)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The content that starts at the offset that a request asks for.
fn ranged(request: &Request, bytes: &[u8]) -> Reply {
    let kind = ("content-type", "image/png");
    let Some(range) = request.headers.get("range") else {
        return Reply::bytes(200, &[kind, ("etag", "\"v1\"")], bytes);
    };
    let size = bytes.len();
    let start: usize = range
        .strip_prefix("bytes=")
        .and_then(|range| range.strip_suffix('-'))
        .unwrap()
        .parse()
        .unwrap();
    if start >= size {
        let field = format!("bytes */{size}");
        return Reply::bytes(416, &[("content-range", &field)], b"");
    }
    let field = format!("bytes {start}-{}/{size}", size - 1);
    Reply::bytes(206, &[kind, ("content-range", &field)], &bytes[start..])
}

/// A daemon on a scripted network.
async fn world(
    script: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static,
) -> (Cloud, Daemon, Client) {
    let cloud = Cloud::start(move |request, before| {
        if request.is_login() {
            login_here(request)
        } else {
            script(request, before)
        }
    })
    .await;
    let (daemon, client) = daemon_on(&cloud).await;
    (cloud, daemon, client)
}

async fn daemon_on(cloud: &Cloud) -> (Daemon, Client) {
    let mut settings = Settings::default();
    let instance = instance(DAEMON, &cloud.url);
    settings.instances.insert("default".to_owned(), instance);
    let mut daemon = Daemon::dark(settings);
    daemon.start_again();
    let client = daemon.client().await;
    eventually("it logs in", async || {
        let known = client.identity("").await;
        known.map_err(|error| error.to_string())
    })
    .await;
    (daemon, client)
}

/// All bytes of content from an offset on, and the size that its head tells.
async fn fetch(
    client: &Client,
    path: &str,
    offset: u64,
) -> Result<(Vec<u8>, Option<u64>), ClientError> {
    let mut content = client.fetch("", path, BTreeMap::new(), offset).await?;
    assert_eq!(content.head.offset, offset);
    let mut all = Vec::new();
    while let Some(bytes) = content.next().await? {
        all.extend_from_slice(&bytes);
    }
    Ok((all, content.head.size))
}

fn refused(error: ClientError) -> (Code, String) {
    let ClientError::Refused(refusal) = error else {
        panic!("{error}");
    };
    (refusal.code, refusal.message)
}

#[tokio::test]
async fn content_comes_whole_and_from_any_offset() {
    let bytes = file();
    let size = bytes.len() as u64;
    let served = bytes.clone();
    let (cloud, _daemon, client) = world(move |request, _| match &*request.path {
        "/api/delivery/ranges?variant=small" => ranged(request, &served),
        "/api/delivery/no-ranges" => Reply::bytes(200, &[], &served),
        _ => Reply::new(
            404,
            r#"{"code":"content.unknown","message":"no such content"}"#,
        ),
    })
    .await;
    for path in [
        "/api/delivery/ranges?variant=small",
        "/api/delivery/no-ranges",
    ] {
        for offset in [0, 1, 700_001, size - 1, size] {
            let (all, told) = fetch(&client, path, offset).await.unwrap();
            let wanted = &bytes[usize::try_from(offset).unwrap()..];
            assert!(all == wanted, "{path} {offset}: {} bytes", all.len());
            assert_eq!(told, Some(size), "{path} {offset}");
        }
        let error = fetch(&client, path, size + 1).await.unwrap_err();
        let (code, message) = refused(error);
        assert_eq!(code, Code::InvalidArgument, "{message}");
        assert!(message.contains(&size.to_string()), "{message}");
    }
    let query = BTreeMap::from([("variant".to_owned(), "small".to_owned())]);
    let content = client.fetch("", "/api/delivery/ranges", query, 0).await;
    let head = content.unwrap().head;
    assert_eq!((&*head.content_type, &*head.etag), ("image/png", "\"v1\""));
    let (code, message) = refused(fetch(&client, "/api/delivery/x", 0).await.unwrap_err());
    assert_eq!(code, Code::NotFound);
    assert!(message.contains("no such content"), "{message}");
    for request in cloud.calls().iter().filter(|r| r.path.contains("delivery")) {
        assert_eq!(request.bearer(), "t0ken-of-the-session");
        assert_eq!(request.headers["accept-encoding"], "identity");
    }
}

#[tokio::test]
async fn content_that_comes_encoded_is_decoded_and_its_offset_counts_what_was_decoded() {
    let bytes = file();
    let (zipped, deflated, served) = (gzip(&bytes), deflate(&bytes), bytes.clone());
    let (_cloud, _daemon, client) = world(move |request, _| match &*request.path {
        // Its ranges count encoded bytes.
        "/api/delivery/gzip" => match request.headers.get("range") {
            None => Reply::bytes(200, &[("content-encoding", "gzip")], &zipped),
            Some(_) => Reply::bytes(
                206,
                &[
                    ("content-encoding", "gzip"),
                    ("content-range", "bytes 5-9/99"),
                ],
                &zipped[5..],
            ),
        },
        "/api/delivery/deflate" => Reply::bytes(200, &[("content-encoding", "deflate")], &deflated),
        "/api/delivery/cut" => {
            let cut = &zipped[..zipped.len() / 2];
            Reply::bytes(200, &[("content-encoding", "gzip")], cut)
        }
        "/api/delivery/zstd" => Reply::bytes(200, &[("content-encoding", "zstd")], b"x"),
        _ => Reply::bytes(200, &[], &served),
    })
    .await;
    for path in ["/api/delivery/gzip", "/api/delivery/deflate"] {
        for offset in [0, 5, 1_000_000] {
            let (all, size) = fetch(&client, path, offset).await.unwrap();
            let wanted = &bytes[usize::try_from(offset).unwrap()..];
            assert!(all == wanted, "{path} {offset}: {} bytes", all.len());
            assert_eq!(size, None);
        }
    }
    let (code, message) = refused(fetch(&client, "/api/delivery/cut", 0).await.unwrap_err());
    assert_eq!(code, Code::Unavailable);
    assert!(message.contains("truncated gzip data"), "{message}");
    let (_, message) = refused(fetch(&client, "/api/delivery/zstd", 0).await.unwrap_err());
    assert!(message.contains("Content-Encoding zstd"), "{message}");
}

#[tokio::test]
async fn what_breaks_off_is_said_and_what_came_before_arrives() {
    let (_cloud, _daemon, client) = world(|request, _| match &*request.path {
        "/api/delivery/broken" => {
            Reply::Raw("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nten bytes.".to_owned())
        }
        "/api/delivery/moved" => {
            Reply::new(302, "").with("location", "https://cdn.example/lunch.png")
        }
        _ => Reply::new(500, r#"{"code":"bug","message":"sorry"}"#),
    })
    .await;
    let path = "/api/delivery/broken";
    let mut content = client.fetch("", path, BTreeMap::new(), 0).await.unwrap();
    assert_eq!(content.head.size, Some(100));
    assert_eq!(&*content.next().await.unwrap().unwrap(), b"ten bytes.");
    let (code, message) = refused(content.next().await.unwrap_err());
    assert_eq!(code, Code::Unavailable);
    assert!(message.contains("broke off"), "{message}");
    let (_, message) = refused(fetch(&client, "/api/delivery/moved", 0).await.unwrap_err());
    assert!(
        message.contains("https://cdn.example/lunch.png"),
        "{message}"
    );
    let (code, message) = refused(fetch(&client, "/api/delivery/x", 0).await.unwrap_err());
    assert_eq!(code, Code::Unavailable);
    assert!(message.contains("sorry"), "{message}");
}

#[tokio::test]
async fn a_request_changes_no_byte_of_its_answer() {
    const BROTLI: &[u8] = b"\x8b\x02\x80[1, 2]\x03";
    let bytes = file();
    let (zipped, served) = (gzip(&bytes), bytes.clone());
    let (cloud, daemon, client) = world(move |request, _| match &*request.path {
        "/api/raw" => Reply::bytes(200, &[("content-type", "image/png")], &served),
        "/api/zipped" => Reply::bytes(200, &[("content-encoding", "gzip")], &zipped),
        "/api/json" => Reply::new(200, " {\"b\" : 1.00,\n\"a\":1e400}\r\n"),
        "/api/zipped-json" => {
            Reply::bytes(200, &[("content-encoding", "x-gzip")], &gzip(b"[0.10]"))
        }
        "/api/brotli" => Reply::bytes(200, &[("content-encoding", "br")], BROTLI),
        "/api/latin" => Reply::bytes(404, &[("content-type", "text/plain")], b"caf\xe9"),
        "/api/zstd" => Reply::bytes(200, &[("content-encoding", "zstd")], b"(\xb5/\xfd"),
        _ => Reply::new(204, ""),
    })
    .await;
    let mut api = ApiClient::new(channel(&daemon.socket()).await);
    let mut get = async |path: &str| {
        let request = proto::ApiRequest {
            method: "GET".to_owned(),
            path: path.to_owned(),
            ..Default::default()
        };
        api.request(request).await.map(tonic::Response::into_inner)
    };
    let json = |answer: proto::ApiResponse| match answer.body.and_then(|body| body.form) {
        Some(proto::payload::Form::Json(text)) if answer.raw.is_empty() => text,
        other => panic!("{other:?}"),
    };
    let answer = get("/api/raw").await.unwrap();
    assert!(answer.raw == bytes && answer.body.is_none());
    assert_eq!(answer.content_type, "image/png");
    let answer = get("/api/zipped").await.unwrap();
    assert!(answer.raw == bytes && answer.content_type.is_empty());
    let answer = get("/api/json").await.unwrap();
    assert_eq!(json(answer), " {\"b\" : 1.00,\n\"a\":1e400}\r\n");
    assert_eq!(json(get("/api/zipped-json").await.unwrap()), "[0.10]");
    assert_eq!(json(get("/api/brotli").await.unwrap()), "[1, 2]");
    let answer = get("/api/latin").await.unwrap();
    assert_eq!((answer.status, &*answer.raw), (404, &b"caf\xe9"[..]));
    let answer = get("/api/none").await.unwrap();
    assert_eq!((answer.body, &*answer.raw), (None, &b""[..]));
    let error = get("/api/zstd").await.unwrap_err();
    assert!(
        error.message().contains("Content-Encoding zstd"),
        "{error:?}"
    );
    let answer = client.request("", "GET", "/api/raw", BTreeMap::new(), None);
    assert_eq!(answer.await.unwrap().raw, bytes);
    let asked = |r: &Request| r.headers["accept-encoding"] == "gzip, deflate, br";
    assert!(cloud.count(asked) > 8);
}

#[tokio::test]
async fn a_url_for_content_carries_the_restricted_token() {
    let (cloud, _daemon, client) = world(|_, _| Reply::new(404, "")).await;
    for (path, variant, wanted) in [
        (
            "/menus/a b.png",
            "",
            "/api/delivery/menus/a%20b.png?_rt=r3stricted%26token",
        ),
        (
            "/50%",
            "small & red",
            "/api/delivery/50%25?_rt=r3stricted%26token&variant=small+%26+red",
        ),
        (
            "/api/locations/1/layout?x=1",
            "",
            "/api/locations/1/layout?x=1&_rt=r3stricted%26token",
        ),
    ] {
        let url = client.content_url("", path, variant).await.unwrap();
        assert_eq!(url, format!("{}{wanted}", cloud.url));
    }
    for path in ["", "menus", "/api/auth/token", "/../x"] {
        let error = client.content_url("", path, "").await.unwrap_err();
        assert_eq!(refused(error).0, Code::InvalidArgument, "{path}");
    }
}

#[tokio::test]
async fn without_a_restricted_token_there_is_no_url_and_the_refusal_names_the_other_way() {
    let cloud = Cloud::start(|request, _| {
        if request.is_login() {
            session("t", Duration::from_secs(3600))
        } else {
            Reply::new(404, "")
        }
    })
    .await;
    let (_daemon, client) = daemon_on(&cloud).await;
    let error = client.content_url("", "/x", "").await.unwrap_err();
    let (code, message) = refused(error);
    assert_eq!(code, Code::FailedPrecondition);
    assert!(message.contains("expd content get"), "{message}");
}
