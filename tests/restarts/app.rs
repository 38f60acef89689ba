//! An app: `expd listen --json` as a process, whose lines the test deals with one after the other.

use expd_test_support::process::program;
use std::path::Path;
use std::process::Stdio;
use std::time::SystemTime;

use expd_client::{
    Broadcast, Event, Gap, GapReason, ListenEvent, Position, Subscription, SubscriptionState, Time,
};
use expd_domain::{BroadcastId, Channel, ChannelId, Payload};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use expd_test_support::DEADLINE;
use expd_test_support::transcript::Heard;

/// Killed when it is dropped.
pub struct App {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// Events dealt with so far.
    pub heard: Vec<Heard>,
}

impl App {
    /// Listens; after a position where there is one.
    pub fn start(socket: &Path, channel: &str, after: Option<&Position>) -> Self {
        let mut command = Command::new(program());
        command.args(["listen", channel, "--json", "--socket"]);
        command.arg(socket).env_remove("EXPD_SOCKET");
        if let Some(Position { log_id, after }) = after {
            command.args(["--resume", &format!("{log_id}:{after}")]);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            child,
            lines,
            heard: Vec::new(),
        }
    }

    /// Deals with the next event.
    pub async fn next(&mut self) -> &ListenEvent {
        let line = timeout(DEADLINE, self.lines.next_line()).await;
        let Ok(line) = line else {
            let last = &self.heard[self.heard.len().saturating_sub(8)..];
            panic!("nothing comes after {last:#?}");
        };
        let line = line.unwrap().expect("the app has ended");
        self.heard.push(Heard {
            event: event(&line),
            at: SystemTime::now(),
        });
        &self.heard.last().unwrap().event
    }

    /// Deals with events until one is as wanted.
    pub async fn until(&mut self, mut wanted: impl FnMut(&Event) -> bool) {
        while !wanted(&self.next().await.event) {}
    }

    pub async fn until_confirmed(&mut self) {
        self.until(|event| {
            matches!(event, Event::Subscription(s) if s.state == SubscriptionState::Confirmed)
        })
        .await;
    }

    /// Deals with events until this number is heard.
    pub async fn until_number(&mut self, number: u64) {
        let number = number.to_string();
        self.until(|event| matches!(event, Event::Broadcast(b) if b.payload.as_str() == number))
            .await;
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().unwrap().to_string();
        let sent = std::process::Command::new("kill")
            .args(["-s", name, &pid])
            .status();
        assert!(sent.unwrap().success());
    }

    /// SIGKILL. What it has not dealt with by now it never will. Gives what a later one goes on
    /// with.
    pub async fn kill(mut self) -> (Vec<Heard>, Position) {
        self.child.kill().await.unwrap();
        let log_id = self.heard.iter().rev().find_map(|h| match &h.event.event {
            Event::Subscription(subscription) => Some(subscription.log_id.clone()),
            _ => None,
        });
        let position = Position {
            log_id: log_id.unwrap(),
            after: self.heard.last().unwrap().event.sequence,
        };
        (self.heard, position)
    }
}

/// A line of the app's, read as a program would.
fn event(line: &str) -> ListenEvent {
    let value: Value = serde_json::from_str(line).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let time = |value: &Value| {
        let text = value.as_str()?;
        Some(Time(humantime::parse_rfc3339(text).unwrap()))
    };
    let event = if let Some(it) = value.get("subscription") {
        Event::Subscription(Subscription {
            state: match it["state"].as_str().unwrap() {
                "PENDING" => SubscriptionState::Pending,
                "CONFIRMED" => SubscriptionState::Confirmed,
                other => panic!("{other}"),
            },
            listener_id: text(&it["listenerId"]),
            channel_id: text(&it["channelId"]),
            log_id: text(&it["logId"]),
            since: time(&it["since"]),
        })
    } else if let Some(it) = value.get("gap") {
        Event::Gap(Gap {
            reason: match it["reason"].as_str().unwrap() {
                "OFFLINE" => GapReason::Offline,
                "OVERFLOW" => GapReason::Overflow,
                "EXPIRED" => GapReason::Expired,
                "RESTARTED" => GapReason::Restarted,
                other => panic!("{other}"),
            },
            missed: it["missed"].as_u64(),
            from: time(&it["from"]),
            to: time(&it["to"]),
        })
    } else {
        let it = &value["broadcast"];
        let payload: Box<RawValue> = serde_json::value::to_raw_value(&it["payload"]).unwrap();
        Event::Broadcast(Broadcast {
            id: BroadcastId::new(text(&it["id"])),
            name: text(&it["name"]),
            channel: Channel::new(text(&it["channel"]["name"])),
            channel_id: ChannelId::from_wire(text(&it["channelId"])),
            payload: Payload::parse(payload.get()).unwrap(),
            received_at: time(&it["receivedAt"]),
        })
    };
    ListenEvent {
        sequence: value["sequence"].as_u64().unwrap(),
        event,
    }
}
