//! The log of the real binary, where whoever takes it stands still.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::process::Stdio;
use std::time::Duration;

use expd_client::Client;
use expd_domain::{Channel, Payload};
use expd_test_support::DEADLINE;
use expd_test_support::process::{Home, program};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

/// Broadcasts that make more of a log than a pipe holds and the daemon keeps: each is shown, up to
/// the bound of a line.
const MANY: usize = 1000;
const LARGE: usize = 8000;

#[tokio::test]
async fn a_log_that_nobody_takes_holds_up_nobody_and_tells_what_it_lacks() {
    let home = Home::new("log = \"trace\"\n");
    let mut command = Command::from(home.command(&[]));
    command.arg("--socket").arg(home.socket());
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let mut daemon = command
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut log = BufReader::new(daemon.stderr.take().unwrap());
    until(&mut log, "serving on").await;

    let mut listener = expd(&home, &["listen", "menu", "--json"]);
    let mut listener = listener.stdout(Stdio::piped()).spawn().unwrap();
    let mut heard = BufReader::new(listener.stdout.take().unwrap());
    until(&mut heard, "CONFIRMED").await;

    // From here on nobody reads the log, and at this level it shows every payload.
    let client = Client::connect(Some(home.socket())).await.unwrap();
    let payload = Payload::parse(format!("\"{}\"", "x".repeat(LARGE))).unwrap();
    let channel = Channel::new("menu");
    for _ in 0..MANY {
        let sent = client.broadcast("", &channel, "large", &payload, Some(Duration::ZERO));
        timeout(DEADLINE, sent).await.unwrap().unwrap();
        until(&mut heard, "\"large\"").await;
    }
    succeeds(&home, &["status"]).await;

    // It goes on where it is taken again.
    until(&mut log, "log records dropped: the log sink was blocked").await;
    let pid = daemon.id().unwrap().to_string();
    let sent = Command::new("kill").args(["-s", "TERM", &pid]).status();
    assert!(sent.await.unwrap().success());
    until(&mut log, "stopped").await;
    assert!(daemon.wait().await.unwrap().success());
}

/// Reads on up to a line with this text.
async fn until(lines: &mut BufReader<impl AsyncRead + Unpin>, text: &str) {
    let reading = async {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            let read = lines.read_line(&mut line).await.unwrap();
            assert!(read > 0, "ended without {text:?}");
        }
    };
    let in_time = timeout(DEADLINE, reading).await;
    in_time.unwrap_or_else(|_| panic!("{text:?} was never said"));
}

fn expd(home: &Home, arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(arguments).arg("--socket").arg(home.socket());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.kill_on_drop(true);
    command
}

async fn succeeds(home: &Home, arguments: &[&str]) {
    let mut command = expd(home, arguments);
    let status = timeout(DEADLINE, command.status()).await;
    let status = status.unwrap_or_else(|_| panic!("{arguments:?} hangs"));
    assert!(status.unwrap().success(), "{arguments:?}");
}
