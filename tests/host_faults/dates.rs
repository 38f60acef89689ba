//! The machine boots in 1970 and its clock is set later: ages, uptimes and dates stay true.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use expd_client::{Event, LinkState, Time};
use expd_domain::{Channel, Payload};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::clock::{Clock, LIBRARY};
use crate::house::{House, KNOWN};
use crate::machine::library;
use expd_test_support::network::Network;
use expd_test_support::process::{Daemon, program};
use expd_test_support::transcript::{Transcript, numbers, to};
use expd_test_support::{DEADLINE, eventually};

/// Difference between a date and the instant that it names: the answer is on its way for a moment.
const NEAR: Duration = Duration::from_millis(500);

/// Time for which the clock is wrong: it has to show in no age.
const WRONG_FOR: Duration = Duration::from_secs(2);

/// A command that lives by the clock, too.
fn command(prefix: &[String], socket: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(&prefix[0]);
    command.args(&prefix[1..]).arg(program());
    command.arg("--socket").arg(socket).args(arguments);
    command.stdin(Stdio::null());
    command
}

fn run(prefix: &[String], socket: &Path, arguments: &[&str]) -> String {
    let output = command(prefix, socket, arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A program of which the lines are read as they come.
struct Program {
    child: Child,
    lines: Receiver<String>,
}

impl Program {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(DEADLINE).unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The offset at which the clock shows so many seconds since 1970 now.
fn in_1970(seconds: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    format!("-{}", now.as_secs() - seconds)
}

fn is_near(date: Option<Time>, expected: SystemTime) -> bool {
    let date = date.unwrap().0;
    let apart = date.duration_since(expected);
    apart.unwrap_or_else(|early| early.duration()) < NEAR
}

/// A figure of the metrics.
fn figure(socket: &Path, name: &str) -> f64 {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let line = text.lines().find(|line| line.starts_with(name));
    let line = line.unwrap_or_else(|| panic!("no {name} in {text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

fn since_1970(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// Ages of the status are of so many seconds at the most.
fn has_young_ages(page: &str) {
    for word in page.split_whitespace() {
        let is_long = |unit| {
            word.strip_suffix(unit)
                .is_some_and(|number| number.parse::<u64>().is_ok())
        };
        assert!(!is_long('h') && !is_long('d'), "{word} in {page}");
    }
}

async fn send(house: &House, payload: &str) {
    let client = house.client().await;
    let payload = Payload::parse(payload).unwrap();
    let channel = Channel::new("a");
    let sent = client.broadcast("", &channel, "tick", &payload, None);
    sent.await.unwrap();
}

#[expect(clippy::too_many_lines, reason = "one story, told in order")]
pub async fn from_1970_on() {
    let mut network = Network::start(Duration::from_secs(3600)).await;
    let house = House::new(&format!("http://{}", network.address()), KNOWN);
    let clock = Clock::new(house.path("clock"));
    clock.set(&in_1970(100));
    let prefix = clock.enter(&library(LIBRARY).unwrap());
    let (socket, metrics) = (house.path("expd.sock"), house.path("metrics.sock"));
    let figures = format!("EXPD__DAEMON__METRICS_SOCKET={}", metrics.display());
    let mut before: Vec<&str> = prefix.iter().map(String::as_str).collect();
    before.push(&figures);
    let mut daemon: Daemon = house.start(&before);
    let started = SystemTime::now();
    house.link_is(LinkState::Online, DEADLINE).await;
    let online = SystemTime::now();
    // The login was refused once, and its answer told the time.
    daemon.said("s behind EXP's");
    assert!(house.counters().await.logins <= 2);
    let status = house.client().await.status().await.unwrap();
    assert!(status.started_at.unwrap().0 < UNIX_EPOCH + Duration::from_secs(200));

    let listener = Program::start(command(&prefix, &socket, &["listen", "a"]));
    let client = house.client().await;
    eventually("the channel is confirmed", async || {
        let status = client.status().await.unwrap();
        let channel = status.instances[0].channels.first();
        let confirmed = channel.is_some_and(|channel| channel.confirmed_at.is_some());
        confirmed
            .then_some(())
            .ok_or_else(|| format!("{channel:?}"))
    })
    .await;
    let confirmed = SystemTime::now();
    send(&house, "1").await;
    let heard = SystemTime::now();
    assert!(
        listener.line().starts_with("00:0"),
        "1970 began at midnight"
    );
    sleep(WRONG_FOR).await;

    clock.set("+0");
    daemon_is_right(&house, (started, online, confirmed, heard)).await;
    for (name, time) in [
        ("process_start_time_seconds", started),
        ("expd_link_state_since_timestamp_seconds", online),
        ("expd_last_broadcast_timestamp_seconds", heard),
    ] {
        let told = figure(&metrics, name);
        assert!((told - since_1970(time)).abs() < 1.0, "{name} {told}");
    }
    let page = run(&prefix, &socket, &["status"]);
    assert!(page.contains("online for "), "{page}");
    has_young_ages(&page);
    let json: Value = serde_json::from_str(&run(&prefix, &socket, &["status", "--json"])).unwrap();
    let year = &json["startedAt"].as_str().unwrap()[..4];
    assert!(year.parse::<u32>().unwrap() >= 2025, "{json}");
    let before = SystemTime::now();
    send(&house, "2").await;
    let hours = [before, SystemTime::now()].map(|time| {
        let time = jiff::Timestamp::try_from(time).unwrap();
        time.strftime("%H:").to_string()
    });
    let line = listener.line();
    assert!(
        hours.iter().any(|hour| line.starts_with(hour)),
        "{line} at {hours:?}"
    );

    // An hour back, in the middle of an outage: the gap has the outage's length.
    let ear = Transcript::open(&client, &to("a")).await;
    ear.until_confirmed().await;
    network.kill().await;
    let broken = Instant::now();
    house.link_is(LinkState::Offline, DEADLINE).await;
    clock.set("-1h");
    network.start_again().await;
    ear.until("the gap", DEADLINE, |heard| {
        heard
            .iter()
            .any(|it| matches!(it.event.event, Event::Gap(_)))
    })
    .await;
    let passed = broken.elapsed();
    let gaps = ear.heard();
    let gap = gaps.iter().find_map(|it| match &it.event.event {
        Event::Gap(gap) => Some(gap.clone()),
        _ => None,
    });
    let gap = gap.unwrap();
    let told = gap
        .to
        .unwrap()
        .0
        .duration_since(gap.from.unwrap().0)
        .unwrap();
    // From when the connection was last known to be good.
    let most = passed + Duration::from_secs(30);
    assert!(told <= most, "{told:?} in {gap:?}, after {passed:?}");
    let hour = Duration::from_secs(3600);
    assert!(is_near(gap.to, gaps.last().unwrap().at - hour), "{gap:?}");

    // A day ahead: nothing is thrown away, and nobody logs in for it.
    let logins = house.counters().await.logins;
    send(&house, "3").await;
    clock.set("+1d");
    sleep(Duration::from_millis(200)).await;
    let status = house.client().await.status().await.unwrap();
    let channel = &status.instances[0].channels[0];
    assert!(channel.log_events > 0, "{channel:?}");
    assert_eq!(house.counters().await.logins, logins);
    has_young_ages(&run(&prefix, &socket, &["status"]));
    drop(listener);
    daemon.signal("TERM");
    assert!(daemon.ended().success(), "{}", daemon.heard());
    network.stop().await;
}

/// The daemon's dates, after its clock was set right.
async fn daemon_is_right(
    house: &House,
    (started, online, confirmed, heard): (SystemTime, SystemTime, SystemTime, SystemTime),
) {
    let client = house.client().await;
    let status = client.status().await.unwrap();
    let instance = &status.instances[0];
    let channel = &instance.channels[0];
    let slow = Duration::from_secs(2);
    // What the test noticed came a little later than what the daemon noted.
    for (what, date, noticed) in [
        ("started", status.started_at, started),
        ("online", instance.link.since, online),
        ("confirmed", channel.confirmed_at, confirmed),
        ("heard", channel.last_broadcast_at, heard),
    ] {
        let date = date.unwrap().0;
        assert!(
            date <= noticed + NEAR && date + slow >= noticed,
            "{what}: {date:?}, noticed {noticed:?}"
        );
    }
    assert!(channel.wanted_since <= channel.asked_at && channel.asked_at <= channel.confirmed_at);
    // The same date each time.
    let again = client.status().await.unwrap();
    assert_eq!(again.started_at, status.started_at);
    assert_eq!(again.instances[0].link.since, instance.link.since);
}

pub async fn with_a_network_of_its_own() {
    let house = House::new("http://127.0.0.1:1", "");
    let settings = format!(
        "[daemon]\nstate_dir = \"{}\"\n[hub]\nlisten = \"127.0.0.1:0\"\n",
        house.state().display()
    );
    std::fs::write(house.path("expd.toml"), settings).unwrap();
    let clock = Clock::new(house.path("clock"));
    clock.set(&in_1970(100));
    let prefix = clock.enter(&library(LIBRARY).unwrap());
    let before: Vec<&str> = prefix.iter().map(String::as_str).collect();
    let mut serve = house.command(&before);
    let mut daemon = Daemon::spawn(serve.arg("--embedded"));
    daemon.said("serving on");
    house.link_is(LinkState::Online, DEADLINE).await;
    let client = house.client().await;
    let ear = Transcript::open(&client, &to("a")).await;
    ear.until_confirmed().await;
    send(&house, "1").await;
    clock.set("+0");
    // Its token of 1970 holds on by the time since boot. expd sees the network's date jump all the
    // same, and replaces it: by one login, or two where the date of the first is still that of
    // before.
    send(&house, "2").await;
    let answer = client.request("", "GET", "/api/devices", BTreeMap::new(), None);
    answer.await.unwrap();
    eventually("the third broadcast is heard", async || {
        send(&house, "3").await;
        let heard = numbers(&ear.heard());
        let is_heard = heard.last() == Some(&3);
        is_heard.then_some(()).ok_or_else(|| format!("{heard:?}"))
    })
    .await;
    let counters = house.counters().await;
    assert!(counters.logins <= 4, "{counters:?}");
    assert_eq!(counters.gaps, 0, "{counters:?}");
    let status = client.status().await.unwrap();
    let age = SystemTime::now().duration_since(status.started_at.unwrap().0);
    assert!(age.is_ok_and(|age| age < DEADLINE), "{status:?}");
    daemon.signal("TERM");
    assert!(daemon.ended().success(), "{}", daemon.heard());
}
