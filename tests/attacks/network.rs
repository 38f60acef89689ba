//! Hostile and broken networks, proxies and servers in between, against the daemon as a process.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use expd_client::{Client, ClientError, Event, EventStream, Fate, Listen, SubscriptionState};
use expd_domain::{BroadcastId, Channel, ChannelId, Payload};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use expd_test_support::certificates::Authority;
use expd_test_support::cloud::{Cloud, Reply, Request, now_millis};
use expd_test_support::http2::is_root;
use expd_test_support::process::{Daemon, Home};
use expd_test_support::{in_time, until};

const HOUR: i64 = 3_600_000;

/// No line of the log, and no last error, is longer than this, whatever a server says.
const LONGEST_LINE: usize = 1500;

/// Settings of a daemon whose network is at `host`.
fn on(host: &str, more: &str) -> String {
    format!(
        "[instances.default]\nhost = \"{host}\"\n{more}\n[instances.default.credentials]\ntype = \"device\"\nuuid = \"device-1\"\nsecret = \"s\"\n"
    )
}

/// The answer to a login, whose socket is at `socket`.
fn authentication(socket: &str) -> Value {
    json!({
        "token": "t0ken-of-the-session",
        "expiration": now_millis() + HOUR,
        "identity": {"uuid": "device-1", "type": "device", "organization": "demo"},
        "network": {"host": socket},
    })
}

fn logged_in(request: &Request) -> Reply {
    let host = request.headers.get("host").map_or("", |host| host);
    Reply::json(200, &authentication(host))
}

async fn client(home: &Home) -> Client {
    Client::connect(Some(home.socket())).await.unwrap()
}

async fn last_error(client: &Client) -> String {
    let status = client.status().await.unwrap();
    status.instances[0].link.last_error.clone()
}

async fn listen(client: &Client, channel: &str) -> EventStream {
    let listen = Listen::to(Channel::new(channel));
    client.listen(&listen).await.unwrap()
}

async fn until_confirmed(stream: &mut EventStream) {
    let confirmed = async {
        loop {
            let event = stream.next().await.unwrap().unwrap();
            if let Event::Subscription(subscription) = event.event
                && subscription.state == SubscriptionState::Confirmed
            {
                return;
            }
        }
    };
    in_time("the channel is confirmed", confirmed).await;
}

async fn respond(client: &Client) -> Result<(), ClientError> {
    let payload = Payload::parse("1").unwrap();
    let (id, channel) = (BroadcastId::new("b-1"), ChannelId::from_wire("abc="));
    client.respond("", &id, &channel, &payload).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_that_wants_ntlm_is_told_as_such_with_a_remedy() {
    for host in ["https://exp.test", "http://exp.test"] {
        let proxy = Cloud::start(|_, _| {
            Reply::new(407, "")
                .with("Proxy-Authenticate", "Negotiate")
                .with("Proxy-Authenticate", "NTLM")
        })
        .await;
        let home = Home::new(&on(host, &format!("proxy = \"http://{}\"", proxy.address)));
        let mut daemon = home.start();
        let line = daemon.said("the login failed");
        for word in ["NTLM", "Negotiate", "cntlm", "Basic"] {
            assert!(line.contains(word), "{word:?} is not in {line}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_socket_says_the_same_of_a_proxy_that_wants_ntlm() {
    let network = Cloud::start(|request, _| {
        if request.method == "CONNECT" {
            return Reply::new(407, "").with("Proxy-Authenticate", "NTLM");
        }
        // The proxy carries plain requests, and the socket is announced as encrypted.
        Reply::json(200, &authentication("https://socket.test"))
    })
    .await;
    for transport in ["auto", "websocket", "polling"] {
        let more = format!(
            "proxy = \"http://{}\"\ntransport = \"{transport}\"",
            network.address
        );
        let home = Home::new(&on("http://exp.test", &more));
        let mut daemon = home.start();
        let line = daemon.said("not connected");
        assert!(line.contains("NTLM") && line.contains("cntlm"), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_captive_portal_in_place_of_the_network_sends_no_response() {
    let network = Cloud::start(|request, before| {
        if request.is_login() {
            logged_in(request)
        } else if request.path.ends_with("/responses") {
            match before {
                0 => Reply::new(200, "<html>Welcome to the hotel</html>"),
                1 => Reply::new(200, "{}"),
                _ => Reply::new(204, ""),
            }
        } else {
            Reply::new(404, "")
        }
    })
    .await;
    let home = Home::new(&on(&network.url, ""));
    let mut daemon = home.start();
    daemon.said("logged in");
    let client = client(&home).await;
    let error = respond(&client).await.unwrap_err();
    assert_eq!(error.fate(), Fate::Unknown, "{error}");
    let said = error.to_string();
    for word in ["Welcome to the hotel", "captive portal"] {
        assert!(said.contains(word), "{said}");
    }
    respond(&client).await.unwrap();
    respond(&client).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_encoding_that_the_bytes_are_not_in_is_refused_wherever_it_comes() {
    let network = Cloud::start(|request, before| {
        if request.is_login() {
            match before {
                0 => logged_in(request).with("Content-Encoding", "gzip"),
                _ => logged_in(request),
            }
        } else if request.path.starts_with("/socket.io/") {
            Reply::new(
                200,
                r#"0{"sid":"s","upgrades":[],"pingInterval":1,"pingTimeout":1}"#,
            )
            .with("Content-Encoding", "br")
        } else {
            Reply::new(200, "[]").with("Content-Encoding", "deflate")
        }
    })
    .await;
    let home = Home::new(&on(&network.url, "transport = \"polling\""));
    let mut daemon = home.start();
    let line = daemon.said("the login failed");
    assert!(line.contains("gzip data"), "{line}");
    let line = daemon.said("not connected");
    assert!(line.contains("content encoding br"), "{line}");
    let client = client(&home).await;
    let error = respond(&client).await.unwrap_err();
    assert!(error.to_string().contains("deflate data"), "{error}");
    assert_eq!(error.fate(), Fate::Unknown);
    let error = client
        .request("", "GET", "/api/devices", [].into(), None)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("deflate data"), "{error}");
    for request in network.requests() {
        let asked = if request.path.starts_with("/socket.io/") {
            "identity"
        } else {
            "gzip, deflate, br"
        };
        assert_eq!(request.headers["accept-encoding"], asked);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compression_of_a_websocket_that_nobody_asked_for_is_refused() {
    for (extension, frames, said) in [
        (
            "Sec-WebSocket-Extensions: permessage-deflate\r\n",
            "",
            "extension that was not requested (permessage-deflate)",
        ),
        // The first frame says by a reserved bit that it is compressed.
        ("", "\u{41}\u{02}xx", "reserved bits are set"),
    ] {
        let network = Cloud::start(move |request, _| {
            if request.is_login() {
                return logged_in(request);
            }
            let Some(key) = request.headers.get("sec-websocket-key") else {
                return Reply::new(404, "");
            };
            let accept = derive_accept_key(key.as_bytes());
            Reply::Raw(format!(
                "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n{extension}\r\n{frames}"
            ))
        })
        .await;
        let more = "transport = \"websocket\"\nprotocol = \"4\"";
        let home = Home::new(&on(&network.url, more));
        let mut daemon = home.start();
        let line = daemon.said("not connected");
        assert!(line.contains(said), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_announced_address_never_takes_the_token_out_of_tls() {
    let authority = Authority::new();
    let plain = Cloud::start(|_, _| Reply::new(404, "")).await;
    let announced = plain.url.clone();
    let identity = authority.sign("127.0.0.1", false);
    let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let network = Cloud::serve(here, Some(identity), move |request, before| {
        if !request.is_login() {
            return Reply::new(404, "");
        }
        // A redirect leads nowhere, either.
        match before {
            0 => Reply::new(307, "").with("Location", format!("{announced}/api/auth/login")),
            _ => Reply::json(200, &authentication(&announced)),
        }
    })
    .await;
    let more = format!("ca_file = \"{}\"", authority.file().display());
    let home = Home::new(&on(&network.url, &more));
    let mut daemon = home.start();
    let line = daemon.said("the login failed");
    assert!(line.contains("307"), "{line}");
    let line = daemon.said("unencrypted");
    assert!(
        line.contains(&plain.url) && line.contains("https"),
        "{line}"
    );
    let line = daemon.said("not connected");
    assert!(line.contains(&network.url), "the configured host: {line}");
    assert_eq!(plain.requests().len(), 0, "nothing left unencrypted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_words_of_a_server_flood_neither_log_nor_status() {
    let long = "x\u{1b}[31m".repeat(25_000);
    let words = long.clone();
    let network = Cloud::start(move |request, before| {
        if request.is_login() {
            return match before {
                0 => Reply::json(500, &json!({"code": words, "message": words})),
                1 => {
                    let mut answer = authentication(&format!("ftp://{words}"));
                    answer["identity"] = json!({"type": words, "uuid": words, "more": words});
                    Reply::json(200, &answer)
                }
                _ => {
                    let host = &request.headers["host"];
                    Reply::json(200, &authentication(&format!("{host}/{words}")))
                }
            };
        }
        if request.path.starts_with("/socket.io/") {
            return match before % 3 {
                0 => Reply::json(401, &json!({"code": words, "message": words})),
                1 => Reply::new(400, words.clone()),
                _ => Reply::json(503, &json!(words)),
            };
        }
        Reply::json(422, &json!({"code": words, "message": words}))
    })
    .await;
    let home = Home::new(&on(&network.url, "transport = \"polling\""));
    let mut daemon = home.start();
    daemon.said("the login failed");
    daemon.said("but this is not an address");
    daemon.said("logged in");
    daemon.said("not connected");
    let client = client(&home).await;
    let error = respond(&client).await.unwrap_err();
    assert!(
        error.to_string().len() < LONGEST_LINE,
        "{}",
        error.to_string().len()
    );
    daemon.said("not connected");
    assert!(last_error(&client).await.len() < LONGEST_LINE);
    for line in daemon.heard().lines() {
        assert!(
            line.len() < LONGEST_LINE,
            "{} bytes: {line:.300}",
            line.len()
        );
        assert!(!line.contains('\u{1b}'), "{line}");
    }
}

/// A network over long polling alone: it opens, confirms each subscription, and then answers polls
/// as `later` says.
fn polled(
    later: impl Fn(&Request) -> Reply + Send + Sync + 'static,
) -> impl Fn(&Request, usize) -> Reply {
    let waiting: Mutex<Vec<String>> = Mutex::default();
    move |request, _| {
        if request.is_login() {
            return logged_in(request);
        }
        if !request.path.starts_with("/socket.io/") || request.headers.contains_key("upgrade") {
            return Reply::new(404, "");
        }
        if !request.path.contains("sid=") {
            let open = r#"0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#;
            return Reply::new(200, open).with("Set-Cookie", "io=first; Path=/");
        }
        let mut waiting = waiting.lock().unwrap();
        if request.method == "POST" {
            for packet in request.body.split('\u{1e}') {
                if packet == "40" {
                    waiting.push(r#"40{"sid":"x"}"#.to_owned());
                } else if let Some(event) = packet.strip_prefix("42") {
                    let event: Value = serde_json::from_str(event).unwrap();
                    waiting.push(format!("42{}", json!(["subscribed", event[1]])));
                }
            }
            return Reply::new(200, "ok");
        }
        if waiting.is_empty() {
            return later(request);
        }
        Reply::new(200, waiting.drain(..).collect::<Vec<_>>().join("\u{1e}"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_answers_polls_at_once_with_nothing_is_not_asked_in_a_loop() {
    for nothing in ["", "6", "6\u{1e}6", "2"] {
        let network = Cloud::start(polled(move |_| Reply::new(200, nothing))).await;
        let home = Home::new(&on(&network.url, "transport = \"polling\""));
        let _daemon = home.start();
        let client = client(&home).await;
        let mut stream = listen(&client, "a").await;
        until_confirmed(&mut stream).await;
        let polls = || network.count(|request| request.method == "GET");
        let (before, began) = (polls(), Instant::now());
        // One is due at once; the next ones begin 0.1, 0.2, 0.4 and 0.8 s after the one before.
        until("five polls", || polls() >= before + 5).await;
        let took = began.elapsed();
        let least = Duration::from_millis(1500);
        assert!(took >= least, "five polls in {took:?} for {nothing:?}");
        // It still gets what comes.
        let mut another = listen(&client, "b").await;
        until_confirmed(&mut another).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cookies_that_are_set_later_are_carried_by_name() {
    let polls = Arc::new(AtomicUsize::new(0));
    let counted = polls.clone();
    let network = Cloud::start(polled(move |_| {
        let reply = Reply::new(200, "6");
        match counted.fetch_add(1, Ordering::SeqCst) {
            0 => reply.with("Set-Cookie", "lb=later; HttpOnly"),
            1 => reply.with("Set-Cookie", "io=second; Path=/"),
            _ => reply.after(Duration::from_millis(50)),
        }
    }))
    .await;
    let home = Home::new(&on(&network.url, "transport = \"polling\""));
    let _daemon = home.start();
    let carried = |wanted: &str| {
        network.count(|request| {
            request
                .headers
                .get("cookie")
                .is_some_and(|all| all == wanted)
        }) > 0
    };
    for wanted in ["io=first", "io=first; lb=later", "io=second; lb=later"] {
        until(wanted, || carried(wanted)).await;
    }
}

/// An address on which nobody answers: connections pile up before a listener that takes none.
fn swallower(address: Ipv4Addr, port: u16) -> Option<(TcpListener, Vec<TcpStream>)> {
    use rustix::net::{AddressFamily, SocketType, bind, listen, socket};
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&socket, &SocketAddr::new(IpAddr::V4(address), port)).unwrap();
    listen(&socket, 0).unwrap();
    let listener = TcpListener::from(socket);
    let mut before = Vec::new();
    let place = SocketAddr::new(IpAddr::V4(address), port);
    for _ in 0..16 {
        match TcpStream::connect_timeout(&place, Duration::from_millis(500)) {
            Ok(stream) => before.push(stream),
            Err(_) => return Some((listener, before)),
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_swallows_connections_does_not_keep_the_socket_away() {
    if !is_root() {
        return;
    }
    let good = Ipv4Addr::new(127, 0, 0, 3);
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let script = polled(|_| Reply::new(200, "6").after(Duration::from_millis(500)));
    let network = Cloud::serve(SocketAddr::from((good, 0)), None, move |request, before| {
        if request.headers.contains_key("sec-websocket-key") {
            counted.fetch_add(1, Ordering::SeqCst);
        }
        script(request, before)
    })
    .await;
    let port = network.address.port();
    let Some(_swallower) = swallower(Ipv4Addr::new(127, 0, 0, 2), port) else {
        eprintln!("SKIPPED: this kernel takes any number of connections");
        return;
    };
    let home = Home::new(&on(&format!("http://exp.test:{port}"), ""));
    let hosts = home.folder.path().join("hosts");
    std::fs::write(&hosts, "127.0.0.2 exp.test\n127.0.0.3 exp.test\n").unwrap();
    // A mount namespace of its own, in which the name has both addresses.
    let script = format!(
        "mount --bind {} /etc/hosts && exec \"$0\" \"$@\"",
        hosts.display()
    );
    let mut command = home.command(&["unshare", "--mount", "sh", "-c", &script]);
    command.arg("--socket").arg(home.socket());
    let mut daemon = Daemon::spawn(&mut command);
    daemon.said("logged in");
    until("a WebSocket handshake at the good address", || {
        asked.load(Ordering::SeqCst) > 0
    })
    .await;
    let client = client(&home).await;
    until_confirmed(&mut listen(&client, "a").await).await;
}
