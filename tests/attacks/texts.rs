//! Texts that are long, many, or not what they seem: of apps to the daemon, and of a server to the
//! log and to terminals.

use std::collections::HashMap;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use expd_client::Client;
use expd_proto::api_client::ApiClient;
use expd_proto::daemon_client::DaemonClient;
use expd_proto::network_client::NetworkClient;
use expd_proto::{
    ApiRequest, BroadcastRequest, CancelListenerRequest, Channel, ClearContextRequest,
    GetIdentityRequest, GetStatusRequest, ListenRequest, NextEventRequest, RespondRequest, Resume,
};
use serde_json::Value;
use tokio::task::JoinSet;
use tonic::transport::Channel as Transport;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::attacked_daemon::{ALONE, STANDSTILL, daemon_of, private_memory};
use crate::recorder::Recorder;
use expd_test_support::http2::{channel_as, own_uid};
use expd_test_support::process::{Home, program};

/// An instance whose network is not there: a port that nobody listens on.
const NOWHERE: &str = "[instances.default]\nhost = \"http://127.0.0.1:9\"\n[instances.default.credentials]\ntype = \"device\"\nuuid = \"u\"\nsecret = \"s\"\n";

fn channel(name: String) -> Channel {
    Channel {
        name,
        ..Channel::default()
    }
}

/// A refusal that is short in all its parts.
fn is_short(status: &Status) {
    assert!(status.message().len() <= 1024, "{}", status.message().len());
    assert!(status.details().len() <= 2048, "{}", status.details().len());
}

#[tokio::test]
async fn every_text_of_a_request_has_a_bound_and_is_not_kept() {
    let _alone = ALONE.lock().await;
    let home = Home::new(NOWHERE);
    let daemon = daemon_of(&home);
    let connection = channel_as(&home.socket(), own_uid()).await;
    let before = private_memory(&home, daemon.child.id());
    let mut status = DaemonClient::new(connection.clone());
    // Past the bound of a text, and past that of the whole message.
    for (length, refusal) in [
        (200 << 10, Code::InvalidArgument),
        (8 << 20, Code::ResourceExhausted),
    ] {
        let long = "x".repeat(length);
        let network = NetworkClient::new(connection.clone());
        let mut refused = too_long_to_listen(network.clone(), &long).await;
        refused.extend(too_long_to_answer(network, &long).await);
        refused.extend(too_long_to_ask(ApiClient::new(connection.clone()), &long).await);
        let page = GetStatusRequest {
            page_token: long,
            ..GetStatusRequest::default()
        };
        refused.push(status.get_status(page).await.unwrap_err());
        assert_eq!(refused.len(), 21);
        for status in &refused {
            let of_a_field = status.code() == Code::InvalidArgument;
            assert!(of_a_field || status.code() == refusal, "{status:?}");
            is_short(status);
        }
    }
    // The library that reads the requests may keep a buffer of the largest.
    let grown = private_memory(&home, daemon.child.id()).saturating_sub(before);
    assert!(grown < 64 << 20, "they left {grown} bytes");
    let opened = status.get_status(GetStatusRequest::default()).await;
    assert!(
        opened.unwrap().into_inner().instances[0]
            .listeners
            .is_empty()
    );
}

async fn too_long_to_listen(mut network: NetworkClient<Transport>, long: &str) -> Vec<Status> {
    let listen = || ListenRequest {
        channel: Some(channel("menu".to_owned())),
        ..ListenRequest::default()
    };
    let mut refused = Vec::new();
    for request in [
        ListenRequest {
            instance: long.to_owned(),
            ..listen()
        },
        ListenRequest {
            channel: Some(channel(long.to_owned())),
            ..listen()
        },
        ListenRequest {
            name: long.to_owned(),
            ..listen()
        },
        ListenRequest {
            context: long.to_owned(),
            ..listen()
        },
        ListenRequest {
            resume: Some(Resume {
                log_id: long.to_owned(),
                after: 0,
            }),
            ..listen()
        },
    ] {
        refused.push(network.open_listener(request).await.unwrap_err());
    }
    let next = NextEventRequest {
        listener_id: long.to_owned(),
        ..NextEventRequest::default()
    };
    refused.push(network.next_event(next).await.unwrap_err());
    let cancel = CancelListenerRequest {
        listener_id: long.to_owned(),
    };
    refused.push(network.cancel_listener(cancel).await.unwrap_err());
    let clear = ClearContextRequest {
        context: long.to_owned(),
    };
    refused.push(network.clear_context(clear).await.unwrap_err());
    refused
}

async fn too_long_to_answer(mut network: NetworkClient<Transport>, long: &str) -> Vec<Status> {
    let broadcast = || BroadcastRequest {
        channel: Some(channel("menu".to_owned())),
        ..BroadcastRequest::default()
    };
    let respond = RespondRequest::default;
    let mut refused = Vec::new();
    for request in [
        BroadcastRequest {
            instance: long.to_owned(),
            ..broadcast()
        },
        BroadcastRequest {
            channel: Some(channel(long.to_owned())),
            ..broadcast()
        },
        BroadcastRequest {
            name: long.to_owned(),
            ..broadcast()
        },
    ] {
        refused.push(network.broadcast(request).await.unwrap_err());
    }
    for request in [
        RespondRequest {
            instance: long.to_owned(),
            ..respond()
        },
        RespondRequest {
            broadcast_id: long.to_owned(),
            ..respond()
        },
    ] {
        refused.push(network.respond(request).await.unwrap_err());
    }
    refused
}

async fn too_long_to_ask(mut api: ApiClient<Transport>, long: &str) -> Vec<Status> {
    let request = || ApiRequest {
        method: "GET".to_owned(),
        path: "/api/devices".to_owned(),
        ..ApiRequest::default()
    };
    let many = (0..2000).map(|n: u32| (n.to_string(), String::new()));
    let mut refused = Vec::new();
    for request in [
        ApiRequest {
            instance: long.to_owned(),
            ..request()
        },
        ApiRequest {
            method: long.to_owned(),
            ..request()
        },
        ApiRequest {
            path: format!("/api/{long}"),
            ..request()
        },
        ApiRequest {
            query: HashMap::from([(long.to_owned(), String::new())]),
            ..request()
        },
        ApiRequest {
            query: HashMap::from([("q".to_owned(), long.to_owned())]),
            ..request()
        },
        ApiRequest {
            query: many.collect(),
            ..request()
        },
    ] {
        refused.push(api.request(request).await.unwrap_err());
    }
    let identity = GetIdentityRequest {
        instance: long.to_owned(),
    };
    refused.push(api.get_identity(identity).await.unwrap_err());
    refused
}

#[tokio::test]
async fn a_refusal_quotes_a_little_and_nothing_that_hides() {
    let home = Home::new(NOWHERE);
    let _daemon = daemon_of(&home);
    let connection = channel_as(&home.socket(), own_uid()).await;
    let mut network = NetworkClient::new(connection.clone());
    let mut api = ApiClient::new(connection);
    // As long as names may be, of what is longest where it is escaped.
    let name = "\u{202e}".repeat(16 * 1024 / 3);
    let system = Channel {
        name,
        system: true,
        consumer: false,
    };
    let broadcast = BroadcastRequest {
        channel: Some(system),
        name: "hi".to_owned(),
        ..BroadcastRequest::default()
    };
    let mut refused = vec![network.broadcast(broadcast).await.unwrap_err()];
    let cancel = CancelListenerRequest {
        listener_id: "\u{2066}".repeat(80),
    };
    refused.push(network.cancel_listener(cancel).await.unwrap_err());
    let next = NextEventRequest {
        listener_id: "\u{200b}".repeat(80),
        ..NextEventRequest::default()
    };
    refused.push(network.next_event(next).await.unwrap_err());
    let identity = GetIdentityRequest {
        instance: "\u{200f}".repeat(80),
    };
    refused.push(api.get_identity(identity).await.unwrap_err());
    let request = ApiRequest {
        method: "GET".to_owned(),
        path: format!("/api\u{2029}/{}", "\u{61c}".repeat(2000)),
        ..ApiRequest::default()
    };
    refused.push(api.request(request.clone()).await.unwrap_err());
    let request = ApiRequest {
        method: "\u{202d}".repeat(1000),
        ..request
    };
    refused.push(api.request(request).await.unwrap_err());
    for status in refused {
        is_short(&status);
        let quoted = status.message().matches("\\u{").count();
        assert!((1..=64).contains(&quoted), "{}", status.message());
        let hides = |c: char| !c.is_ascii() && c != '…';
        assert!(!status.message().contains(hides), "{}", status.message());
    }
}

#[tokio::test]
async fn an_error_of_the_networks_is_short_whatever_it_says() {
    let recorder = Recorder::start(|target| {
        target.contains("/devices").then(|| {
            let (code, message) = ("c".repeat(300_000), "\u{202e}m".repeat(300_000));
            let body = serde_json::json!({"code": code, "message": message});
            ("500 Internal Server Error", body.to_string())
        })
    })
    .await;
    let home = Home::new(&recorder.instance(""));
    let _daemon = daemon_of(&home);
    let mut api = ApiClient::new(channel_as(&home.socket(), own_uid()).await);
    let request = ApiRequest {
        method: "GET".to_owned(),
        path: "/api/devices".to_owned(),
        ..ApiRequest::default()
    };
    let refused = api.request(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.message().contains("EXP answered 500: ccc"));
    is_short(&refused);
    let info = refused.get_details_error_info().unwrap();
    assert!(info.reason.len() <= 64 && info.metadata["message"].len() <= 1024);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_line_of_the_log_is_long_or_misleads_whatever_a_server_says() {
    let recorder = Recorder::start(|target| {
        target.ends_with("/api/auth/login").then(|| {
            let message = "no\u{202e}\u{200b}\n".repeat(100_000);
            let body = serde_json::json!({"code": "no", "message": message});
            ("503 Service Unavailable", body.to_string())
        })
    })
    .await;
    let home = Home::new(&recorder.instance(""));
    let mut daemon = daemon_of(&home);
    let line = daemon.said("the login failed");
    // A space for each that hides.
    assert!(line.contains("no   no   no"), "{line}");
    for line in daemon.heard().lines() {
        assert!(line.len() < 8 * 1024, "{} bytes", line.len());
        let hides = |c| matches!(c, '\u{202e}' | '\u{200b}');
        assert!(!line.contains(hides), "{line}");
    }
    let client = Client::connect(Some(home.socket())).await.unwrap();
    let status = client.status().await.unwrap();
    assert!(status.instances[0].link.last_error.len() <= 1024);
}

/// Opens listeners `of` a range, each on a channel of its own, with texts as long as they may be.
async fn listen_to_many(
    home: &Home,
    of: std::ops::Range<usize>,
) -> Vec<tonic::Streaming<expd_proto::ListenEvent>> {
    let mut network = NetworkClient::new(channel_as(&home.socket(), own_uid()).await);
    let mut streams = Vec::new();
    for n in of {
        let listen = ListenRequest {
            channel: Some(channel(format!("{}{n:08}", "\u{202e}".repeat(5458)))),
            name: "n".repeat(16 * 1024),
            context: "c".repeat(1024),
            ..ListenRequest::default()
        };
        streams.push(network.listen(listen).await.unwrap().into_inner());
    }
    streams
}

#[tokio::test]
async fn nobody_blinds_the_status_or_holds_others_up_with_it() {
    const MANY: usize = 4000;
    let _alone = ALONE.lock().await;
    let limits = "[daemon.limits]\nmax_call_bytes = \"4GiB\"\nmax_calls_per_connection = 10000\n";
    let home = Home::new(&format!("{limits}{NOWHERE}"));
    let _daemon = daemon_of(&home);
    let mut opening = JoinSet::new();
    let home = std::sync::Arc::new(home);
    for part in 0..4 {
        let home = home.clone();
        let of = part * MANY / 4..(part + 1) * MANY / 4;
        opening.spawn(async move { listen_to_many(&home, of).await });
    }
    let streams = opening.join_all().await;
    assert_eq!(streams.iter().map(Vec::len).sum::<usize>(), MANY);
    // With the default limit of 4 MiB for an answer.
    let mut daemon = DaemonClient::new(channel_as(&home.socket(), own_uid()).await);
    let mut asking = JoinSet::new();
    asking.spawn(async move {
        let (mut token, mut channels, mut listeners) = (String::new(), 0, 0);
        loop {
            let request = GetStatusRequest {
                page_size: 0,
                page_token: token,
            };
            let page = daemon.get_status(request).await.unwrap().into_inner();
            channels += page.instances[0].channels.len();
            listeners += page.instances[0].listeners.len();
            token = page.next_page_token;
            if token.is_empty() {
                return (channels, listeners);
            }
        }
    });
    let mut other = ApiClient::new(channel_as(&home.socket(), own_uid()).await);
    let mut longest = Duration::ZERO;
    let told = loop {
        let begun = Instant::now();
        let identity = other.get_identity(GetIdentityRequest::default()).await;
        assert_eq!(identity.unwrap_err().code(), Code::Unavailable);
        longest = longest.max(begun.elapsed());
        if let Some(told) = asking.try_join_next() {
            break told.unwrap();
        }
        tokio::task::yield_now().await;
    };
    assert!(longest < STANDSTILL, "others waited for {longest:?}");
    assert_eq!(told, (MANY, MANY));
    let client = Client::connect(Some(home.socket())).await.unwrap();
    let status = client.status().await.unwrap();
    assert_eq!(status.instances[0].listeners.len(), MANY);
    // A page of one's own size, and a token that is none.
    let mut daemon = DaemonClient::new(channel_as(&home.socket(), own_uid()).await);
    let request = GetStatusRequest {
        page_size: 7,
        page_token: String::new(),
    };
    let page = daemon.get_status(request).await.unwrap().into_inner();
    assert_eq!(page.instances[0].channels.len(), 7);
    let request = GetStatusRequest {
        page_size: 7,
        page_token: "1.0.c.0".to_owned(),
    };
    let refused = daemon.get_status(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

/// The output of a command of expd's, on a terminal or into a pipe.
fn written(home: &Home, arguments: &[&str], terminal: bool) -> String {
    let socket = home.socket();
    let program = program();
    let mut command = if terminal {
        let line = format!(
            "{} --socket {} {}",
            program.display(),
            socket.display(),
            arguments.join(" ")
        );
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]);
        command
    } else {
        let mut command = Command::new(program);
        command.arg("--socket").arg(socket).args(arguments);
        command
    };
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_terminal_shows_what_would_hide_and_its_json_stays_the_same() {
    let home = Home::new(NOWHERE);
    let _daemon = daemon_of(&home);
    let mut network = NetworkClient::new(channel_as(&home.socket(), own_uid()).await);
    let hidden = "a\u{202e}b\u{2066}c\u{200b}d\u{e0041}e\u{9b}f";
    let listen = ListenRequest {
        channel: Some(channel(hidden.to_owned())),
        name: hidden.to_owned(),
        context: hidden.to_owned(),
        ..ListenRequest::default()
    };
    network.open_listener(listen).await.unwrap();
    let hides = |c| hidden.contains(c) && !char::is_ascii(&c);
    for terminal in [false, true] {
        let page = written(&home, &["status"], terminal);
        // The channel's row, and channel and event of the program's, each as long as its column.
        assert_eq!(page.matches(r"a\u{202").count(), 3, "{page}");
        assert!(page.contains(r"a\u{202e}b\u{2066}c"), "{page}");
        assert!(!page.contains(hides), "{page}");
    }
    let context = |json: &str| {
        let status: Value = serde_json::from_str(json).unwrap();
        status["instances"][0]["listeners"][0]["context"].clone()
    };
    let exact = written(&home, &["status", "--json"], false);
    assert!(exact.contains(hidden));
    let shown = written(&home, &["status", "--json"], true);
    assert!(
        shown.contains(r"a\u202eb\u2066c\u200bd\udb40\udc41e\u009bf"),
        "{shown}"
    );
    assert!(!shown.contains(hides), "{shown}");
    assert_eq!(context(&shown), hidden);
    assert_eq!(context(&exact), hidden);
}
