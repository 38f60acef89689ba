//! Daemons that are stopped and killed, and those that take over from them.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, SystemTime};

use expd_client::{
    Client, ClientError, Fate, LinkState, Listen, ListenEvent, ListenUpdate, ResumingListener,
};
use expd_domain::{Channel, Payload};
use expd_hub::operator;
use futures_util::StreamExt as _;
use tokio::task::JoinSet;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::app::App;
use crate::scene::{CHANNEL, CREDENTIALS, Scene};
use expd_test_support::DEADLINE;
use expd_test_support::judge::{Life, judge};
use expd_test_support::network::operator_key;
use expd_test_support::process::{accepts, program};
use expd_test_support::transcript::{Heard, Transcript, numbers, signals};

/// Writes down what a resuming listener gives out, up to a number.
async fn follow(client: Client) -> Vec<Heard> {
    let mut heard = Vec::new();
    let mut listener = ResumingListener::new(client, Listen::to(Channel::new(CHANNEL)));
    loop {
        let told = listener.next().await.unwrap();
        if let ListenUpdate::Event(event) = told {
            let last = is_last(&event);
            heard.push(Heard {
                event,
                at: SystemTime::now(),
            });
            if last {
                return heard;
            }
        }
    }
}

/// Two ports that nobody uses.
fn free_ports() -> [SocketAddr; 2] {
    let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let held = [free(), free()];
    held.map(|it| it.local_addr().unwrap())
}

const LAST: &str = "the last";

fn is_last(event: &ListenEvent) -> bool {
    matches!(&event.event, expd_client::Event::Broadcast(it) if it.name == LAST)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listeners_are_taken_up_by_the_next_daemon_and_told_of_all_that_they_missed() {
    let scene = Scene::new("").await;
    let mut daemon = scene.start();
    let mut app = App::start(&scene.socket(), CHANNEL, None);
    app.until_confirmed().await;
    let mut program = JoinSet::new();
    program.spawn(follow(scene.client().await));
    let (stop, mut sending) = scene.keep_sending(Duration::from_millis(3));
    for signal in ["TERM", "KILL", "TERM", "KILL"] {
        for _ in 0..60 {
            app.next().await;
        }
        daemon.signal(signal);
        daemon.ended();
        daemon = scene.start();
        app.until_confirmed().await;
    }
    for _ in 0..60 {
        app.next().await;
    }
    stop.cancel();
    sending.join_next().await.unwrap().unwrap();
    let channel = Channel::new(CHANNEL);
    let (number, _) = scene
        .book
        .send(&scene.network.sender(), &channel, LAST)
        .await;
    app.until_number(number).await;
    let followed = tokio::time::timeout(DEADLINE, program.join_next()).await;
    let followed = followed.expect("the program hears the last one, too");
    let sent = scene.book.sent();
    // The app was waited for after each restart; the program may come back so late that it misses
    // one daemon altogether.
    for (who, heard, restarts) in [
        ("the app", &app.heard, 4),
        ("the program", &followed.unwrap().unwrap(), 1),
    ] {
        let sum = judge(None, &[Life::of(heard)], &sent, None).unwrap_or_else(|why| {
            panic!("{who}: {why}\n{:#?}", signals(heard));
        });
        eprintln!("{who}: {sum:?} of {}", sent.len());
        assert_eq!(numbers(heard).last(), Some(&number));
        assert!(sum.gaps["Restarted"] >= restarts, "{who}: {sum:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_sigterm_running_calls_finish_waits_and_streams_end_and_new_calls_are_refused() {
    let scene = Scene::new("drain_timeout = \"1m\"\n").await;
    let mut daemon = scene.start();
    let client = scene.online().await;
    let ear = Transcript::open(&client, &Listen::to(Channel::new(CHANNEL))).await;
    ear.until_confirmed().await;
    let pulled = client
        .open(&Listen::to(Channel::new(CHANNEL)))
        .await
        .unwrap();
    let mut running = JoinSet::new();
    for _ in 0..20 {
        let client = client.clone();
        running.spawn(async move {
            let (channel, null) = (Channel::new(CHANNEL), Payload::null());
            let timeout = Some(Duration::from_secs(4));
            client.broadcast("", &channel, "hi", &null, timeout).await
        });
    }
    // All of them are heard while they collect responses.
    ear.until("twenty broadcasts", DEADLINE, |heard| heard.len() >= 22)
        .await;
    daemon.signal("TERM");
    ear.until("the end of the stream", DEADLINE, |_| {
        ear.ended.lock().unwrap().is_some()
    })
    .await;
    let ended = ear.ended.lock().unwrap().clone().unwrap();
    assert!(ended.contains("listen again, with resume"), "{ended}");
    let finished = running.try_join_next();
    assert!(finished.is_none(), "streams end at once: {finished:?}");
    // On the connection that the running calls hold open.
    let (channel, null) = (Channel::new(CHANNEL), Payload::null());
    let refused = client.broadcast("", &channel, "late", &null, None).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.fate(), Fate::Refused, "{refused:?}");
    let refused = client.next(&pulled, Duration::ZERO).await.unwrap_err();
    assert!(refused.is_transient(), "{refused:?}");
    while let Some(answer) = running.join_next().await {
        assert_eq!(answer.unwrap().unwrap(), []);
    }
    assert!(daemon.ended().success(), "{}", daemon.heard());
    assert!(
        !daemon.heard().contains("aborted calls"),
        "{}",
        daemon.heard()
    );
    let left: Vec<_> = std::fs::read_dir(scene.home.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.to_string_lossy().contains("sock"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_only_watches_does_not_hold_up_the_stop_and_is_told() {
    let scene = Scene::new("drain_timeout = \"20s\"\n").await;
    let mut daemon = scene.start();
    let client = scene.online().await;
    let mut links = Box::pin(client.watch_status().await.unwrap());
    links.next().await.unwrap().unwrap();
    let mut health = HealthClient::new(scene.channel().await);
    let all = HealthCheckRequest::default();
    let mut health = health.watch(all).await.unwrap().into_inner();
    let serving = health.message().await.unwrap().unwrap();
    assert_eq!(serving.status(), ServingStatus::Serving);
    daemon.signal("TERM");
    let end = loop {
        match tokio::time::timeout(DEADLINE, links.next()).await.unwrap() {
            Some(Ok(_)) => {}
            end => break end,
        }
    };
    let told = end.expect("a status").unwrap_err();
    assert!(told.to_string().contains("stopping"), "{told}");
    let last = health.message().await.unwrap().unwrap();
    assert_eq!(last.status(), ServingStatus::NotServing);
    assert!(health.message().await.unwrap().is_none());
    assert!(daemon.ended().success(), "{}", daemon.heard());
    assert!(
        !daemon.heard().contains("aborted calls"),
        "{}",
        daemon.heard()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_do_not_answer_hold_up_the_stop_no_longer_than_the_drain() {
    let scene = Scene::new("").await;
    let mut daemon = scene.start();
    scene.online().await;
    // Connected, and not a byte more; one that stops in the middle of a frame's head; one that is
    // stopped itself.
    let _silent = UnixStream::connect(scene.socket()).unwrap();
    let mut broken_off = UnixStream::connect(scene.socket()).unwrap();
    broken_off
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0")
        .unwrap();
    let mut app = App::start(&scene.socket(), CHANNEL, None);
    app.until_confirmed().await;
    app.signal("STOP");
    daemon.signal("TERM");
    // They would never end by themselves.
    assert!(daemon.ended().success(), "{}", daemon.heard());
    app.signal("CONT");
    let _daemon = scene.start();
    app.until_confirmed().await;
}

/// A broadcast that was heard and waits for responses, up to `timeout`.
async fn broadcasting(
    client: Client,
    timeout: Duration,
    ear: &Transcript,
) -> JoinSet<Result<Vec<Payload>, ClientError>> {
    let mut running = JoinSet::new();
    running.spawn(async move {
        let (channel, null) = (Channel::new(CHANNEL), Payload::null());
        client
            .broadcast("", &channel, "hi", &null, Some(timeout))
            .await
    });
    ear.until("the broadcast", DEADLINE, |heard| heard.len() >= 3)
        .await;
    running
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_daemon_starts_while_the_last_one_still_drains() {
    let ports = free_ports();
    let settings = format!(
        "drain_timeout = \"20s\"\nlisten = \"{}\"\nmetrics = \"{}\"\n",
        ports[0], ports[1]
    );
    let scene = Scene::new(&settings).await;
    let mut last = scene.start();
    let client = scene.online().await;
    let ear = Transcript::open(&client, &Listen::to(Channel::new(CHANNEL))).await;
    ear.until_confirmed().await;
    let mut running = broadcasting(client, Duration::from_secs(3), &ear).await;
    last.signal("TERM");
    ear.until("the end of the stream", DEADLINE, |_| {
        ear.ended.lock().unwrap().is_some()
    })
    .await;
    let _next = scene.start();
    let client = scene.online().await;
    assert!(last.child.try_wait().unwrap().is_none(), "it drains");
    assert_eq!(running.join_next().await.unwrap().unwrap().unwrap(), []);
    assert!(last.ended().success(), "{}", last.heard());
    // It has taken nothing of the next one's along.
    assert!(accepts(&scene.socket()));
    client.status().await.unwrap();
    for port in ports {
        TcpStream::connect(port).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_outlasts_the_drain_is_cut_off_and_its_fate_is_unknown() {
    let scene = Scene::new("drain_timeout = \"300ms\"\n").await;
    let mut daemon = scene.start();
    let client = scene.online().await;
    let ear = Transcript::open(&client, &Listen::to(Channel::new(CHANNEL))).await;
    ear.until_confirmed().await;
    let mut running = broadcasting(client, Duration::from_secs(600), &ear).await;
    daemon.signal("TERM");
    // Long before the calls' ten minutes are over.
    assert!(daemon.ended().success(), "{}", daemon.heard());
    let error = running.join_next().await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.fate(), Fate::Unknown, "{error:?}");
    assert!(
        daemon.heard().contains("aborted calls"),
        "{}",
        daemon.heard()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigkill_leaves_nothing_that_hinders_the_next_start() {
    let ports = free_ports();
    let settings = format!("listen = \"{}\"\nmetrics = \"{}\"\n", ports[0], ports[1]);
    let scene = Scene::new(&settings).await;
    let mut kept: Vec<TcpStream> = Vec::new();
    for round in 0..3 {
        let mut daemon = scene.start();
        let client = scene.online().await;
        let ear = Transcript::open(&client, &Listen::to(Channel::new(CHANNEL))).await;
        ear.until_confirmed().await;
        // Connections that are open at the kill keep the ports in the kernel's books.
        kept.extend(ports.iter().map(|port| TcpStream::connect(port).unwrap()));
        daemon.signal("KILL");
        assert!(!daemon.ended().success());
        assert!(scene.socket().exists(), "killed before it could clean up");
        assert!(!accepts(&scene.socket()), "round {round}");
    }
    // The settings' folder may be read-only to a client: it only looks.
    let status = Command::new(program())
        .args(["status", "--socket"])
        .arg(scene.socket())
        .output()
        .unwrap();
    assert_eq!(status.status.code(), Some(3), "{status:?}");
    let mut daemon = scene.start();
    scene.online().await;
    daemon.signal("TERM");
    assert!(daemon.ended().success(), "{}", daemon.heard());
    assert!(!scene.socket().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paired_device_stays_paired_whatever_a_kill_left_in_its_state() {
    let scene = Scene::of_device("", "allow_pairing = true\n").await;
    let mut daemon = scene.start();
    let client = scene.linked(LinkState::Pairing).await;
    daemon.signal("KILL");
    daemon.ended();
    drop(client);
    // As a kill in the midst of a write leaves them.
    for name in ["default.credentials.new", "default.credentials.probe"] {
        std::fs::write(scene.state_dir().join(name), "{\"uuid\":\"hal").unwrap();
    }
    let mut daemon = scene.start();
    let client = scene.linked(LinkState::Pairing).await;
    let code = client.identity("").await.unwrap().pairing_code.unwrap();
    let paired = operator::pair(&scene.url(), Some(&operator_key()), &code)
        .await
        .unwrap();
    scene.online().await;
    daemon.signal("KILL");
    daemon.ended();
    std::fs::write(scene.state_dir().join("default.credentials.new"), "").unwrap();
    let _daemon = scene.start();
    let identity = scene.online().await.identity("").await.unwrap();
    assert_eq!((identity.uuid, identity.paired), (paired.uuid, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_a_reload_takes_is_taken_from_waiting_broadcasts_too() {
    let rules = |allowed: &str| {
        let us = rustix::process::geteuid().as_raw();
        format!("[[access]]\nuid = {us}\nallow = [\"status\"{allowed}]\n")
    };
    let mut scene = Scene::new(&rules(", \"broadcast\"")).await;
    scene.network.stop().await;
    let mut daemon = scene.start();
    let client = scene.offline().await;
    let mut calls = JoinSet::new();
    let sender = client.clone();
    calls.spawn(async move {
        let (channel, null) = (Channel::new(CHANNEL), Payload::null());
        let sent = sender.broadcast_when_connected("", &channel, "hi", &null, None, DEADLINE);
        sent.await
    });
    scene.waiting(&client, 1).await;
    scene.write(&rules(""), CREDENTIALS);
    daemon.signal("HUP");
    daemon.said("settings reloaded");
    scene.network.start_again().await;
    let refused = calls.join_next().await.unwrap().unwrap().unwrap_err();
    assert_eq!(refused.fate(), Fate::Refused, "{refused:?}");
    assert!(refused.to_string().contains("by a reload"), "{refused}");
    let counters = operator::counters(&scene.url(), Some(&operator_key()))
        .await
        .unwrap();
    assert_eq!(counters.broadcasts, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shell_command_waits_for_the_connection_only_where_it_was_told_to() {
    let mut scene = Scene::new("").await;
    let _daemon = scene.start();
    let client = scene.online().await;
    scene.network.stop().await;
    scene.offline().await;
    let broadcast = |more: &[&str]| {
        let mut command = tokio::process::Command::new(program());
        command.args(["broadcast", CHANNEL, "hi", "1", "--socket"]);
        command.arg(scene.socket()).args(more);
        command
    };
    let refused = broadcast(&[]).output().await.unwrap();
    assert_eq!(refused.status.code(), Some(5));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("nothing was sent"), "{said}");
    assert!(said.contains("try again in"), "{said}");
    let too_short = broadcast(&["--wait=300ms"]).output().await.unwrap();
    assert_eq!(too_short.status.code(), Some(5));
    let said = String::from_utf8(too_short.stderr).unwrap();
    assert!(said.contains("time is over"), "{said}");

    let mut killed = broadcast(&["--wait"]).kill_on_drop(true).spawn().unwrap();
    scene.waiting(&client, 1).await;
    killed.kill().await.unwrap();
    scene.waiting(&client, 0).await;

    let waiting = broadcast(&["--wait"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    scene.waiting(&client, 1).await;
    scene.network.start_again().await;
    let output = waiting.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let counters = operator::counters(&scene.url(), Some(&operator_key()))
        .await
        .unwrap();
    assert_eq!(counters.broadcasts, 1, "the killed one's was not sent");
}
