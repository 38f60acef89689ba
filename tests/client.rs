//! The typed client over a real gRPC connection: a scripted daemon on a Unix socket, which can be
//! stopped and started again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use expd_test_support::process::program;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use expd_client::{
    Client, ClientError, Code, Event, Exp, GapReason, Listen, ListenUpdate, Position, Received,
    ResumingListener, SubscriptionState,
};
use expd_domain::{BroadcastId, Channel, ChannelId, Payload};
use expd_proto as proto;
use expd_proto::network_server::{Network, NetworkServer};
use expd_test_support::{DEADLINE, in_time, until};
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::runtime::Runtime;
use tokio_stream::wrappers::{ReceiverStream, UnixListenerStream};
use tonic::{Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

type Script = tokio::sync::mpsc::Receiver<Result<proto::ListenEvent, Status>>;
type Events = tokio::sync::mpsc::Sender<Result<proto::ListenEvent, Status>>;

/// Requests that the daemon received, and the script of its answers.
#[derive(Clone, Default)]
struct Scripted {
    asked: Arc<Mutex<Vec<proto::ListenRequest>>>,
    /// One for each call of Listen.
    streams: Arc<Mutex<Vec<Script>>>,
    broadcasts: Arc<Mutex<Vec<proto::BroadcastRequest>>>,
}

impl Scripted {
    fn stream(&self) -> Events {
        let (events, script) = tokio::sync::mpsc::channel(16);
        self.streams.lock().unwrap().insert(0, script);
        events
    }

    fn resumes(&self) -> Vec<Option<(String, u64)>> {
        let asked = self.asked.lock().unwrap();
        let resumes = asked.iter().map(|request| {
            let resume = request.resume.as_ref();
            resume.map(|resume| (resume.log_id.clone(), resume.after))
        });
        resumes.collect()
    }
}

#[tonic::async_trait]
impl Network for Scripted {
    type ListenStream = Pin<Box<dyn Stream<Item = Result<proto::ListenEvent, Status>> + Send>>;

    async fn broadcast(
        &self,
        request: Request<proto::BroadcastRequest>,
    ) -> Result<Response<proto::BroadcastResponse>, Status> {
        let request = request.into_inner();
        let payload = request.payload.clone();
        let name = request.name.clone();
        self.broadcasts.lock().unwrap().push(request);
        match name.as_str() {
            "echo" => Ok(Response::new(proto::BroadcastResponse {
                responses: payload.into_iter().cycle().take(2).collect(),
            })),
            "hang" => std::future::pending().await,
            _ => {
                let mut details = ErrorDetails::new();
                details
                    .set_error_info(
                        "network.channel.forbidden",
                        "exp",
                        [("message".to_owned(), "Not yours.".to_owned())],
                    )
                    .set_retry_info(Some(Duration::from_secs(3)));
                Err(Status::with_error_details(
                    tonic::Code::PermissionDenied,
                    "EXP refuses the broadcast",
                    details,
                ))
            }
        }
    }

    async fn listen(
        &self,
        request: Request<proto::ListenRequest>,
    ) -> Result<Response<Self::ListenStream>, Status> {
        self.asked.lock().unwrap().push(request.into_inner());
        let script = self.streams.lock().unwrap().pop();
        let script = script.ok_or_else(|| Status::not_found("no instance of that name"))?;
        Ok(Response::new(Box::pin(ReceiverStream::new(script))))
    }

    async fn respond(
        &self,
        _: Request<proto::RespondRequest>,
    ) -> Result<Response<proto::RespondResponse>, Status> {
        Err(Status::failed_precondition("the response came too late"))
    }

    async fn open_listener(
        &self,
        _: Request<proto::ListenRequest>,
    ) -> Result<Response<proto::OpenListenerResponse>, Status> {
        Ok(Response::new(proto::OpenListenerResponse {
            listener_id: "opened".into(),
        }))
    }

    async fn next_event(
        &self,
        request: Request<proto::NextEventRequest>,
    ) -> Result<Response<proto::NextEventResponse>, Status> {
        let wait = request.into_inner().wait.unwrap_or_default();
        let event = (wait.seconds > 0).then(|| subscription("log", 1));
        Ok(Response::new(proto::NextEventResponse { event }))
    }

    async fn cancel_listener(
        &self,
        _: Request<proto::CancelListenerRequest>,
    ) -> Result<Response<proto::CancelListenerResponse>, Status> {
        Ok(Response::new(proto::CancelListenerResponse {}))
    }

    async fn clear_context(
        &self,
        _: Request<proto::ClearContextRequest>,
    ) -> Result<Response<proto::ClearContextResponse>, Status> {
        Ok(Response::new(proto::ClearContextResponse { cancelled: 4 }))
    }
}

/// A daemon's socket, and who serves it now: a runtime of its own, so that all its connections end
/// with it.
struct Daemon {
    scripted: Scripted,
    socket: PathBuf,
    running: Option<Runtime>,
    _folder: TempDir,
}

impl Daemon {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut daemon = Self {
            scripted: Scripted::default(),
            socket: folder.path().join("expd.sock"),
            running: None,
            _folder: folder,
        };
        daemon.start_again();
        daemon
    }

    fn start_again(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = {
            let _inside = runtime.enter();
            UnixListener::bind(&self.socket).unwrap()
        };
        let service = NetworkServer::new(self.scripted.clone())
            .max_decoding_message_size(usize::MAX)
            .max_encoding_message_size(usize::MAX);
        runtime.spawn(async move {
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(UnixListenerStream::new(listener))
                .await
                .unwrap();
        });
        self.running = Some(runtime);
    }

    /// As SIGKILL would, its connections break without a word.
    fn kill(&mut self) {
        self.running.take().unwrap().shutdown_background();
        std::fs::remove_file(&self.socket).unwrap();
    }

    async fn client(&self) -> Client {
        Client::connect(Some(self.socket.clone())).await.unwrap()
    }
}

fn event(sequence: u64, event: proto::listen_event::Event) -> proto::ListenEvent {
    proto::ListenEvent {
        sequence,
        event: Some(event),
    }
}

fn subscription(log_id: &str, sequence: u64) -> proto::ListenEvent {
    let subscription = proto::Subscription {
        state: proto::subscription::State::Confirmed.into(),
        log_id: log_id.into(),
        ..proto::Subscription::default()
    };
    event(
        sequence,
        proto::listen_event::Event::Subscription(subscription),
    )
}

fn broadcast(id: &str, sequence: u64) -> proto::ListenEvent {
    let broadcast = proto::Broadcast {
        id: id.into(),
        channel: Some(proto::Channel::default()),
        ..proto::Broadcast::default()
    };
    event(sequence, proto::listen_event::Event::Broadcast(broadcast))
}

fn restarted(sequence: u64) -> proto::ListenEvent {
    let gap = proto::Gap {
        reason: proto::gap::Reason::Restarted.into(),
        ..proto::Gap::default()
    };
    event(sequence, proto::listen_event::Event::Gap(gap))
}

async fn next(listener: &mut ResumingListener) -> Result<ListenUpdate, ClientError> {
    in_time("anything is heard", listener.next()).await
}

async fn next_event(listener: &mut ResumingListener) -> Event {
    match next(listener).await {
        Ok(ListenUpdate::Event(event)) => event.event,
        other => panic!("no event but {other:?}"),
    }
}

async fn heard_broadcast(listener: &mut ResumingListener, id: &str) {
    match next_event(listener).await {
        Event::Broadcast(broadcast) => assert_eq!(broadcast.id.as_str(), id),
        other => panic!("no broadcast but {other:?}"),
    }
}

async fn heard_subscription(listener: &mut ResumingListener) {
    match next_event(listener).await {
        Event::Subscription(subscription) => {
            assert_eq!(subscription.state, SubscriptionState::Confirmed);
        }
        other => panic!("no subscription but {other:?}"),
    }
}

#[tokio::test]
async fn a_listener_goes_on_where_it_was_when_the_daemon_says_it_stops() {
    let daemon = Daemon::start();
    let (first, second) = (daemon.scripted.stream(), daemon.scripted.stream());
    let listen = Listen::to(Channel::new("menu"));
    let mut listener = ResumingListener::new(daemon.client().await, listen);
    first.send(Ok(subscription("log", 4))).await.unwrap();
    first.send(Ok(broadcast("a", 5))).await.unwrap();
    first
        .send(Err(Status::unavailable("the daemon stops")))
        .await
        .unwrap();
    heard_subscription(&mut listener).await;
    heard_broadcast(&mut listener, "a").await;
    assert!(matches!(
        next(&mut listener).await,
        Ok(ListenUpdate::Disconnected { error: ClientError::Refused(_), pause }) if pause <= Duration::from_millis(100)
    ));
    assert!(matches!(
        next(&mut listener).await,
        Ok(ListenUpdate::Reconnected)
    ));
    second.send(Ok(subscription("log", 5))).await.unwrap();
    second.send(Ok(broadcast("b", 6))).await.unwrap();
    heard_subscription(&mut listener).await;
    heard_broadcast(&mut listener, "b").await;
    assert_eq!(
        daemon.scripted.resumes(),
        [None, Some(("log".to_owned(), 5))]
    );
}

#[tokio::test]
async fn a_listener_comes_back_to_a_daemon_that_was_killed_and_started_again() {
    let mut daemon = Daemon::start();
    let (first, second) = (daemon.scripted.stream(), daemon.scripted.stream());
    let listen = Listen::to(Channel::new("menu"));
    let mut listener = ResumingListener::new(daemon.client().await, listen);
    first.send(Ok(subscription("log", 0))).await.unwrap();
    heard_subscription(&mut listener).await;
    daemon.kill();
    assert!(matches!(
        next(&mut listener).await,
        Ok(ListenUpdate::Disconnected {
            error: ClientError::ConnectionLost { .. },
            ..
        })
    ));
    // Without a socket it stays silent and keeps trying.
    let early = listener.next().now_or_never();
    assert!(early.is_none(), "{early:?}");
    daemon.start_again();
    assert!(matches!(
        next(&mut listener).await,
        Ok(ListenUpdate::Reconnected)
    ));
    second.send(Ok(subscription("other", 0))).await.unwrap();
    second.send(Ok(restarted(0))).await.unwrap();
    second.send(Ok(broadcast("b", 1))).await.unwrap();
    heard_subscription(&mut listener).await;
    match next_event(&mut listener).await {
        Event::Gap(gap) => assert_eq!(gap.reason, GapReason::Restarted),
        other => panic!("no gap but {other:?}"),
    }
    heard_broadcast(&mut listener, "b").await;
    let position = listener.position().unwrap();
    assert_eq!((position.log_id.as_str(), position.after), ("other", 1));
}

#[tokio::test]
async fn a_gap_that_did_not_arrive_is_asked_for_again() {
    let daemon = Daemon::start();
    let (first, second) = (daemon.scripted.stream(), daemon.scripted.stream());
    let mut listen = Listen::to(Channel::new("menu"));
    listen.resume = Some(Position {
        log_id: "old".to_owned(),
        after: 9,
    });
    let mut listener = ResumingListener::new(daemon.client().await, listen);
    first.send(Ok(subscription("new", 0))).await.unwrap();
    drop(first); // before the gap
    heard_subscription(&mut listener).await;
    assert!(matches!(
        next(&mut listener).await,
        Ok(ListenUpdate::Disconnected { .. })
    ));
    assert!(matches!(
        next(&mut listener).await,
        Ok(ListenUpdate::Reconnected)
    ));
    second.send(Ok(subscription("new", 0))).await.unwrap();
    heard_subscription(&mut listener).await;
    let old = Some(("old".to_owned(), 9));
    assert_eq!(daemon.scripted.resumes(), [old.clone(), old]);
}

#[tokio::test]
async fn a_listener_ends_when_coming_back_would_not_help() {
    let daemon = Daemon::start();
    let first = daemon.scripted.stream();
    let client = daemon.client().await;
    let mut listener = ResumingListener::new(client.clone(), Listen::to(Channel::new("menu")));
    first
        .send(Err(Status::cancelled("the listener was cancelled")))
        .await
        .unwrap();
    match next(&mut listener).await {
        Err(ClientError::Refused(refusal)) => assert_eq!(refusal.code, Code::Cancelled),
        other => panic!("{other:?}"),
    }
    let mut refused = ResumingListener::new(client, Listen::to(Channel::new("menu")));
    match next(&mut refused).await {
        Err(ClientError::Refused(refusal)) => assert_eq!(refusal.code, Code::NotFound),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn payloads_come_back_as_they_went() {
    let daemon = Daemon::start();
    let client = daemon.client().await;
    let channel = Channel::new("menu").consumer();
    let large = format!("\"{}\"", "x".repeat(15_999_998));
    for text in ["1e400", r#"{"z": 0.10, "a": [1, 2]}"#, "null", &large] {
        let payload = Payload::parse(text).unwrap();
        let timeout = Some(Duration::from_millis(1500));
        let sent = client.broadcast("", &channel, "echo", &payload, timeout);
        if text.len() > 1000 {
            // Two of the largest are past what a client takes; said, not cut.
            let error = sent.await.unwrap_err();
            assert!(error.to_string().contains("too large"), "{error}");
            continue;
        }
        assert_eq!(sent.await.unwrap(), [payload.clone(), payload]);
    }
    let asked = daemon.scripted.broadcasts.lock().unwrap();
    let timeout = asked[0].timeout.unwrap();
    assert_eq!((timeout.seconds, timeout.nanos), (1, 500_000_000));
    assert!(asked[0].channel.as_ref().unwrap().consumer);
}

#[tokio::test]
async fn a_refusal_keeps_its_code_exps_words_and_the_hint() {
    let daemon = Daemon::start();
    let client = daemon.client().await;
    let channel = Channel::new("menu");
    let null = Payload::null();
    let refused = client.broadcast("", &channel, "hi", &null, None);
    let ClientError::Refused(refusal) = refused.await.unwrap_err() else {
        panic!("not taken as the daemon's answer");
    };
    assert_eq!(refusal.code, Code::PermissionDenied);
    assert_eq!(
        refusal.exp.as_ref().unwrap().code,
        "network.channel.forbidden"
    );
    assert_eq!(refusal.exp.as_ref().unwrap().message, "Not yours.");
    assert_eq!(refusal.retry_after, Some(Duration::from_secs(3)));
    let late = client
        .respond(
            "",
            &BroadcastId::new("b"),
            &ChannelId::from_wire("c"),
            &Payload::null(),
        )
        .await;
    assert_eq!(late.unwrap_err().to_string(), "the response came too late");
}

#[tokio::test]
async fn a_connection_that_breaks_in_mid_call_is_told_from_a_daemon_that_is_not_there() {
    let mut daemon = Daemon::start();
    let client = daemon.client().await;
    let channel = Channel::new("menu");
    let null = Payload::null();
    {
        let mut hanging = Box::pin(client.broadcast("", &channel, "hang", &null, None));
        let broadcasts = &daemon.scripted.broadcasts;
        tokio::select! {
            early = &mut hanging => panic!("{early:?}"),
            () = until("the call arrives", || !broadcasts.lock().unwrap().is_empty()) => {}
        }
        daemon.kill();
        let error = hanging.await.unwrap_err();
        assert!(
            matches!(error, ClientError::ConnectionLost { .. }),
            "{error:?}"
        );
    }
    let error = client
        .broadcast("", &channel, "echo", &null, None)
        .await
        .unwrap_err();
    assert!(
        matches!(error, ClientError::NotReachable { .. }),
        "{error:?}"
    );
    // The same client finds the next daemon.
    daemon.start_again();
    let answer = client.broadcast("", &channel, "echo", &null, None).await;
    assert_eq!(answer.unwrap().len(), 2);
}

#[tokio::test]
async fn the_pull_form_gives_the_same_events() {
    let daemon = Daemon::start();
    let client = daemon.client().await;
    let listen = Listen::to(Channel::new("menu"));
    assert_eq!(client.open(&listen).await.unwrap(), "opened");
    assert!(
        client
            .next("opened", Duration::ZERO)
            .await
            .unwrap()
            .is_none()
    );
    let event = client.next("opened", Duration::from_secs(1)).await.unwrap();
    assert!(matches!(event.unwrap().event, Event::Subscription(_)));
    client.cancel("opened").await.unwrap();
    assert_eq!(client.clear_context("tag").await.unwrap(), 4);
}

#[tokio::test]
async fn dropping_a_stream_ends_the_listener() {
    let daemon = Daemon::start();
    let events = daemon.scripted.stream();
    let client = daemon.client().await;
    let listen = Listen::to(Channel::new("menu"));
    let mut stream = client.listen(&listen).await.unwrap();
    events.send(Ok(subscription("log", 0))).await.unwrap();
    assert!(stream.next().await.unwrap().is_ok());
    drop(stream);
    in_time("the daemon lets go of the stream", events.closed()).await;
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(runtime) = self.running.take() {
            runtime.shutdown_background();
        }
    }
}

/// `expd listen` against the scripted daemon.
mod command {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Child, ChildStdout, Command, Output, Stdio};

    use rustix::process::{Pid, Signal, kill_process};

    use super::*;

    fn listen(socket: &Path, arguments: &[&str]) -> Child {
        Command::new(program())
            .args(["listen", "menu", "--socket"])
            .arg(socket)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Reads the first line. Dropping the reader closes the pipe.
    async fn first_line(child: &mut Child) -> BufReader<ChildStdout> {
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        let (sender, read) = tokio::sync::oneshot::channel();
        // It ends with the process, whoever waits for it.
        std::thread::spawn(move || {
            let mut line = String::new();
            assert!(reader.read_line(&mut line).unwrap() > 0, "nothing printed");
            sender.send(reader).ok();
        });
        in_time("the first line", read).await.unwrap()
    }

    fn send(child: &Child, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for the command to end; returns its output and exit status.
    async fn ended(child: Child) -> Output {
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        let mut ended = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
        if let Ok(output) = tokio::time::timeout(DEADLINE, &mut ended).await {
            return output.unwrap();
        }
        kill_process(pid, Signal::KILL).unwrap();
        panic!("the command goes on: {:?}", ended.await);
    }

    #[tokio::test]
    async fn it_prints_one_document_for_each_event_and_ends_after_the_count() {
        let daemon = Daemon::start();
        let (first, second) = (daemon.scripted.stream(), daemon.scripted.stream());
        let child = listen(&daemon.socket, &["--json", "--count", "2"]);
        first.send(Ok(subscription("log", 0))).await.unwrap();
        first.send(Ok(broadcast("a", 1))).await.unwrap();
        first.send(Err(Status::unavailable("bye"))).await.unwrap();
        second.send(Ok(subscription("log", 1))).await.unwrap();
        second.send(Ok(restarted(1))).await.unwrap();
        second.send(Ok(broadcast("b", 2))).await.unwrap();
        let output = ended(child).await;
        let text = String::from_utf8(output.stdout).unwrap();
        let kinds: Vec<String> = text
            .lines()
            .map(|line| {
                let document: serde_json::Value = serde_json::from_str(line).unwrap();
                let keys = document.as_object().unwrap().keys().cloned();
                keys.collect::<Vec<_>>().join(" ")
            })
            .collect();
        assert_eq!(
            kinds,
            [
                "sequence subscription",
                "sequence broadcast",
                "sequence subscription",
                "sequence gap",
                "sequence broadcast"
            ]
        );
        assert_eq!(output.status.code(), Some(0));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("the daemon is gone: bye"), "{said}");
        assert!(said.contains("listening again"), "{said}");
    }

    #[tokio::test]
    async fn it_ends_with_0_when_told_to_and_with_1_before_its_count() {
        for (arguments, code) in [(&["--json"][..], 0), (&["--json", "--count", "1"], 1)] {
            let daemon = Daemon::start();
            let events = daemon.scripted.stream();
            let mut child = listen(&daemon.socket, arguments);
            events.send(Ok(subscription("log", 0))).await.unwrap();
            let _reader = first_line(&mut child).await;
            send(&child, Signal::TERM);
            assert_eq!(ended(child).await.status.code(), Some(code));
        }
    }

    #[tokio::test]
    async fn it_ends_with_its_pipe_even_when_nothing_more_comes() {
        let daemon = Daemon::start();
        let events = daemon.scripted.stream();
        let mut child = listen(&daemon.socket, &["--json"]);
        events.send(Ok(subscription("log", 0))).await.unwrap();
        drop(first_line(&mut child).await);
        let output = ended(child).await;
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    }
}

#[tokio::test]
async fn a_call_that_an_older_daemon_does_not_know_is_named_with_the_remedy() {
    // The scripted daemon has the service `Network` and no other, as an older one lacks a call.
    let daemon = Daemon::start();
    let client = daemon.client().await;
    let request = client.request("", "GET", "/api/devices", BTreeMap::new(), None);
    let error = request.await.unwrap_err();
    let is_named = matches!(
        &error,
        ClientError::Unimplemented { call, .. } if *call == "Api.Request"
    );
    assert!(is_named, "{error:?}");
    let words = error.to_string();
    assert!(
        words.contains("Api.Request") && words.contains("update expd"),
        "{words}"
    );
    assert!(!error.is_transient());
    // So is one of the guide's, at its start.
    let own = Exp::options()
        .socket(client.path())
        .device("screen", "secret");
    let error = own.start().await.unwrap_err();
    assert!(error.to_string().contains("Daemon.RunInstance"), "{error}");
}

#[tokio::test]
async fn what_a_newer_daemon_adds_does_not_end_a_listener_and_its_gaps_are_told() {
    let daemon = Daemon::start();
    let stream = daemon.scripted.stream();
    let exp = Exp::options().socket(&daemon.socket).start().await.unwrap();
    let menu = exp.channel("menu");
    for event in [
        subscription("log", 1),
        // An event of another kind, and a gap for another reason.
        proto::ListenEvent {
            sequence: 2,
            event: None,
        },
        event(
            3,
            proto::listen_event::Event::Gap(proto::Gap {
                reason: 99,
                missed: 7,
                ..proto::Gap::default()
            }),
        ),
        broadcast("b", 4),
    ] {
        stream.send(Ok(event)).await.unwrap();
    }
    let mut listener = menu.listen_all().await.unwrap();
    let gap = in_time("a gap", listener.next()).await.unwrap();
    let Some(Received::Gap(gap)) = gap else {
        panic!("no gap but {gap:?}");
    };
    assert_eq!((gap.reason, gap.missed), (GapReason::Unknown, Some(7)));
    let broadcast = in_time("a broadcast", listener.next()).await.unwrap();
    assert!(matches!(broadcast, Some(Received::Broadcast(b)) if b.id.as_str() == "b"));
    assert_eq!(listener.position().unwrap().after, 4);
}
