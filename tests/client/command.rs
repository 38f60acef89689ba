//! `expd listen` against the scripted daemon.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use expd_test_support::process::program;
use expd_test_support::{DEADLINE, in_time};
use rustix::process::{Pid, Signal, kill_process};
use tonic::Status;

use crate::scripted::*;

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
