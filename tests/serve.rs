//! The real binary: how it starts, serves over TCP, ends, and refuses to start.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use expd_domain::Channel;
use expd_proto as proto;
use expd_proto::daemon_client::DaemonClient;
use expd_proto::listen_event::Event;
use expd_proto::network_client::NetworkClient;
use expd_test_support::DEADLINE;
use expd_test_support::lines::Lines;
use expd_test_support::process::{Daemon, Home, accepts, program};
use tonic::transport::Endpoint;

/// Waits for the daemon to end with status 1; returns the last line that it printed.
fn refuses(command: &mut Command) -> String {
    let mut daemon = Daemon::spawn(command);
    let status = daemon.ended();
    assert_eq!(status.code(), Some(1), "{}", daemon.heard());
    daemon.heard().lines().last().unwrap_or_default().to_owned()
}

fn serve(home: &Home) -> Command {
    let mut command = home.command(&[]);
    command.arg("--socket").arg(home.socket());
    command
}

/// `expd serve` on these settings alone, with nobody's network but the named one.
fn serve_only(home: &Home, settings: &str) -> Command {
    std::fs::write(home.config(), settings).unwrap();
    let mut command = Command::new(program());
    command
        .args(["serve", "--config"])
        .arg(home.config())
        .arg("--socket")
        .arg(home.socket())
        .env_remove("EXPD_SOCKET")
        .env_remove("NOTIFY_SOCKET")
        .env_remove("JOURNAL_STREAM");
    command
}

fn device(host: &str) -> String {
    format!(
        "[instances.default]\nhost = \"{host}\"\n[instances.default.credentials]\ntype = \"device\"\nuuid = \"d\"\nsecret = \"s\"\n"
    )
}

#[test]
fn either_signal_ends_it_within_a_second_with_its_streams_told() {
    for signal in ["TERM", "INT"] {
        // For as long, it would wait for calls; it waits for no stream.
        let home = Home::new("drain_timeout = \"5m\"\n");
        let mut daemon = home.start();
        let mut listener = Command::new(program())
            .args(["listen", "menu", "--json", "--socket"])
            .arg(home.socket())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut heard = Lines::of(listener.stdout.take().unwrap());
        heard.until("CONFIRMED");
        daemon.signal(signal);
        assert!(daemon.ended().success(), "{signal}: {}", daemon.heard());
        assert!(!home.socket().exists());

        // The listener waits, and goes on when a daemon is there again.
        let mut again = home.start();
        heard.until("CONFIRMED");
        listener.kill().unwrap();
        listener.wait().unwrap();
        again.signal("TERM");
        assert!(again.ended().success());
    }
}

#[tokio::test]
async fn programs_reach_the_daemon_over_loopback_tcp() {
    let home = Home::new(
        "listen = \"127.0.0.1:0\"\n[[daemon.tcp.tokens]]\nname = \"app\"\ntoken = \"the-token-of-an-app\"\n",
    );
    let mut daemon = home.start();
    let line = daemon.said("(daemon.listen)");
    let (_, address) = line.split_once("listening on ").unwrap();
    let address = address.split_once(' ').unwrap().0;
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let exchange = async {
        let transport = endpoint.connect().await.unwrap();
        let authorize = |mut request: tonic::Request<()>| {
            let bearer = "Bearer the-token-of-an-app".parse().unwrap();
            request.metadata_mut().insert("authorization", bearer);
            Ok(request)
        };
        let mut network = NetworkClient::with_interceptor(transport.clone(), authorize);
        let menu = Channel::new("menu");
        let channel = proto::Channel {
            name: menu.name,
            ..Default::default()
        };
        let listen = proto::ListenRequest {
            channel: Some(channel.clone()),
            ..Default::default()
        };
        let mut events = network.listen(listen).await.unwrap().into_inner();
        loop {
            match events.message().await.unwrap().unwrap().event {
                Some(Event::Subscription(subscription))
                    if subscription.state() == proto::subscription::State::Confirmed =>
                {
                    break;
                }
                _ => {}
            }
        }
        let broadcast = proto::BroadcastRequest {
            channel: Some(channel),
            name: "hi".to_owned(),
            ..Default::default()
        };
        network.broadcast(broadcast).await.unwrap();
        match events.message().await.unwrap().unwrap().event {
            Some(Event::Broadcast(broadcast)) => assert_eq!(broadcast.name, "hi"),
            other => panic!("not the broadcast: {other:?}"),
        }
        let status = DaemonClient::with_interceptor(transport, authorize)
            .get_status(proto::GetStatusRequest::default())
            .await
            .unwrap()
            .into_inner();
        // Over TCP, the kernel does not tell who calls.
        assert_eq!(status.instances[0].listeners[0].pid, 0);
    };
    let exchanged = tokio::time::timeout(DEADLINE, exchange).await;
    exchanged.expect("no answer in time");

    let status = Command::new(program())
        .args(["status", "--socket"])
        .arg(home.socket())
        .output()
        .unwrap();
    // The stream has ended with the exchange; the daemon serves on the socket all the same.
    assert!(status.status.success(), "{status:?}");
    daemon.signal("TERM");
    assert!(daemon.ended().success(), "{}", daemon.heard());
}

#[test]
fn a_tcp_address_that_is_taken_keeps_it_from_starting() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let home = Home::new(&format!("listen = \"{address}\"\n"));
    let said = refuses(&mut serve(&home));
    assert!(
        said.contains(&format!("cannot listen on {address} (daemon.listen)")),
        "{said}"
    );
}

#[test]
fn a_live_daemons_socket_is_left_alone_and_a_stale_one_replaced() {
    let home = Home::new("");
    drop(UnixListener::bind(home.socket()).unwrap());
    let mut daemon = home.start();
    let said = refuses(&mut serve(&home));
    assert!(
        said.contains("expd.sock") && said.contains("another expd"),
        "{said}"
    );
    assert!(accepts(&home.socket()));
    daemon.signal("TERM");
    assert!(daemon.ended().success());
}

#[test]
fn what_keeps_it_from_starting_is_said_in_one_line() {
    let home = Home::new("");
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = busy.local_addr().unwrap();
    std::fs::write(home.config(), format!("[hub]\nlisten = \"{port}\"\n")).unwrap();
    let said = refuses(&mut serve(&home));
    assert!(
        said.contains(&port.to_string()) && said.contains("hub.listen"),
        "{said}"
    );

    std::fs::remove_file(home.config()).unwrap();
    let said = refuses(&mut serve(&home));
    assert!(said.contains("expd.toml"), "{said}");

    let missing =
        device("http://127.0.0.1:1").replace("secret = \"s\"", "secret_file = \"/no/such/secret\"");
    let said = refuses(&mut serve_only(&home, &missing));
    assert!(said.contains("/no/such/secret"), "{said}");

    let pairing = format!(
        "[daemon]\nstate_dir = \"/proc/expd\"\n{}allow_pairing = true\n",
        device("http://127.0.0.1:1").replace("uuid = \"d\"\nsecret = \"s\"\n", "")
    );
    let said = refuses(&mut serve_only(&home, &pairing));
    assert!(said.contains("/proc/expd"), "{said}");
}

#[test]
fn what_may_pass_is_waited_for_and_said() {
    let plain = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let tls = format!("https://{}", plain.local_addr().unwrap());
    // Answers every connection in plain text, which is no TLS. It ends with the test's process.
    std::thread::spawn(move || {
        use std::io::Write as _;
        for stream in plain.incoming() {
            stream
                .unwrap()
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                .ok();
        }
    });
    for (host, word) in [
        ("http://127.0.0.1:1", "refuses connections"),
        ("http://expd.invalid", "expd.invalid"),
        (&*tls, "TLS"),
    ] {
        let home = Home::new("");
        let mut daemon = Daemon::spawn(&mut serve_only(&home, &device(host)));
        daemon.said("serving on");
        let said = daemon.said(word);
        eprintln!("{host}: {said}");
        assert!(daemon.child.try_wait().unwrap().is_none(), "it gave up");
        daemon.signal("TERM");
        assert!(daemon.ended().success(), "{}", daemon.heard());
    }
}
