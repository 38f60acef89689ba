//! The machine boots in 1970 and its clock is set later: ages, uptimes and dates stay true.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::ops::RangeInclusive;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use expd_client::{Client, Event, LinkState, Listen, Position};
use expd_domain::{Channel, Payload};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::clock::{Clock, LIBRARY};
use crate::house::{House, KNOWN};
use crate::machine::library;
use expd_test_support::lines::Lines;
use expd_test_support::network::Network;
use expd_test_support::process::{Daemon, program};
use expd_test_support::transcript::{Transcript, numbers, signals, to};
use expd_test_support::{DEADLINE, eventually};

/// Difference between two looks at a clock by a process that may lose its core between them.
const NEAR: Duration = Duration::from_millis(500);

/// Time for which the clock is wrong: it has to show in no age.
const WRONG_FOR: Duration = Duration::from_secs(2);

const HOUR: Duration = Duration::from_secs(3600);

/// A machine that boots in 1970, with a daemon, and its network, which knows the time.
struct Machine {
    network: Network,
    house: House,
    clock: Clock,
    /// Prefix of a command that is to live by the clock, too.
    prefix: Vec<String>,
    daemon: Daemon,
    /// True times between which the daemon started, and in which it came online.
    started: RangeInclusive<SystemTime>,
    online: RangeInclusive<SystemTime>,
}

impl Machine {
    /// Boots it; the daemon is online.
    async fn boot() -> Self {
        let network = Network::start(HOUR).await;
        let house = House::new(&format!("http://{}", network.address()), KNOWN);
        let clock = Clock::new(house.path("clock"));
        clock.set(&in_1970(100));
        let prefix = clock.enter(&library(LIBRARY).unwrap());
        let metrics = house.path("metrics.sock");
        let metrics = format!("EXPD__DAEMON__METRICS_SOCKET={}", metrics.display());
        let mut before: Vec<&str> = prefix.iter().map(String::as_str).collect();
        before.push(&metrics);
        let begun = SystemTime::now();
        let daemon = house.start(&before);
        let started = begun..=SystemTime::now();
        house.link_is(LinkState::Online, DEADLINE).await;
        Self {
            network,
            house,
            clock,
            prefix,
            daemon,
            started,
            online: begun..=SystemTime::now(),
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.prefix[0]);
        command.args(&self.prefix[1..]).arg(program());
        command.arg("--socket").arg(self.house.path("expd.sock"));
        command.args(arguments).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// `expd listen a`, whose channel is confirmed; says when that was.
    async fn listener(&self, client: &Client) -> (Program, RangeInclusive<SystemTime>) {
        let begun = SystemTime::now();
        let listener = Program::start(self.command(&["listen", "a"]));
        eventually("the channel is confirmed", async || {
            let status = client.status().await.unwrap();
            let channel = status.instances[0].channels.first();
            let confirmed = channel.is_some_and(|channel| channel.confirmed_at.is_some());
            confirmed
                .then_some(())
                .ok_or_else(|| format!("{channel:?}"))
        })
        .await;
        (listener, begun..=SystemTime::now())
    }

    async fn shuts_down(mut self) {
        self.daemon.signal("TERM");
        assert!(self.daemon.ended().success(), "{}", self.daemon.heard());
        self.network.stop().await;
    }
}

/// A program of which the lines are read as they come.
struct Program {
    child: Child,
    lines: Lines,
}

impl Program {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = Lines::of(child.stdout.take().unwrap());
        Self { child, lines }
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

/// Checks that a date lies where the test knows that it must.
fn is_in(what: &str, date: SystemTime, known: &RangeInclusive<SystemTime>) {
    assert!(
        (*known.start() - NEAR..=*known.end() + NEAR).contains(&date),
        "{what}: {date:?}, and it was in {known:?}"
    );
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

pub async fn boots_in_1970() {
    let mut machine = Machine::boot().await;
    // The login was refused once, and its answer told the time.
    machine.daemon.said("s behind EXP's");
    assert!(machine.house.counters().await.logins <= 2);
    let client = machine.house.client().await;
    let status = client.status().await.unwrap();
    assert!(status.started_at.unwrap().0 < UNIX_EPOCH + Duration::from_secs(200));
    let (mut listener, _) = machine.listener(&client).await;
    send(&machine.house, "1").await;
    let line = listener.lines.line();
    assert!(line.starts_with("00:0"), "1970 began at midnight: {line}");
    drop(listener);
    machine.shuts_down().await;
}

/// The clock of a machine that booted in 1970 is set right.
pub async fn are_set_right() {
    let machine = Machine::boot().await;
    let client = machine.house.client().await;
    let (mut listener, confirmed) = machine.listener(&client).await;
    let sent = SystemTime::now();
    send(&machine.house, "1").await;
    listener.lines.line();
    let heard = sent..=SystemTime::now();
    sleep(WRONG_FOR).await;

    machine.clock.set("+0");
    let status = client.status().await.unwrap();
    let instance = &status.instances[0];
    let channel = &instance.channels[0];
    for (what, date, known) in [
        ("started", status.started_at, &machine.started),
        ("online", instance.link.since, &machine.online),
        ("confirmed", channel.confirmed_at, &confirmed),
        ("heard", channel.last_broadcast_at, &heard),
    ] {
        is_in(what, date.unwrap().0, known);
    }
    assert!(channel.wanted_since <= channel.asked_at && channel.asked_at <= channel.confirmed_at);
    // The same date each time.
    let again = client.status().await.unwrap();
    assert_eq!(again.started_at, status.started_at);
    assert_eq!(again.instances[0].link.since, instance.link.since);
    let metrics = machine.house.path("metrics.sock");
    for (name, known) in [
        ("process_start_time_seconds", &machine.started),
        ("expd_link_state_since_timestamp_seconds", &machine.online),
        ("expd_last_broadcast_timestamp_seconds", &heard),
    ] {
        let told = UNIX_EPOCH + Duration::from_secs_f64(figure(&metrics, name));
        is_in(name, told, known);
    }
    let page = machine.run(&["status"]);
    assert!(page.contains("online for "), "{page}");
    has_young_ages(&page);
    let json: Value = serde_json::from_str(&machine.run(&["status", "--json"])).unwrap();
    let year = &json["startedAt"].as_str().unwrap()[..4];
    assert!(year.parse::<u32>().unwrap() >= 2025, "{json}");
    let before = SystemTime::now();
    send(&machine.house, "2").await;
    let hours = [before, SystemTime::now()].map(|time| {
        let time = jiff::Timestamp::try_from(time).unwrap();
        time.strftime("%H:").to_string()
    });
    let line = listener.lines.line();
    assert!(
        hours.iter().any(|hour| line.starts_with(hour)),
        "{line} at {hours:?}"
    );
    drop(listener);
    machine.shuts_down().await;
}

/// The clock goes back by an hour in the middle of an outage: the gap has the outage's length.
pub async fn go_back_in_an_outage() {
    let mut machine = Machine::boot().await;
    machine.clock.set("+0");
    let client = machine.house.client().await;
    let ear = Transcript::open(&client, &to("a")).await;
    ear.until_confirmed().await;
    machine.network.kill().await;
    let broken = Instant::now();
    machine.house.link_is(LinkState::Offline, DEADLINE).await;
    machine.clock.set("-1h");
    let healed = SystemTime::now();
    machine.network.start_again().await;
    ear.until("the gap", DEADLINE, |heard| {
        heard
            .iter()
            .any(|it| matches!(it.event.event, Event::Gap(_)))
    })
    .await;
    let passed = broken.elapsed();
    let heard = ear.heard();
    let (gap, at) = heard
        .iter()
        .find_map(|it| match &it.event.event {
            Event::Gap(gap) => Some((gap.clone(), it.at)),
            _ => None,
        })
        .unwrap();
    let (from, to) = (gap.from.unwrap().0, gap.to.unwrap().0);
    let told = to.duration_since(from).unwrap();
    // From when the connection was last known to be good.
    let most = passed + Duration::from_secs(30);
    assert!(told <= most, "{told:?} in {gap:?}, after {passed:?}");
    is_in("the gap's end", to + HOUR, &(healed..=at));
    machine.shuts_down().await;
}

/// The clock goes ahead by a day: nothing is thrown away, and nobody logs in for it.
pub async fn go_ahead_by_a_day() {
    let machine = Machine::boot().await;
    machine.clock.set("+0");
    let client = machine.house.client().await;
    let ear = Transcript::open(&client, &to("a")).await;
    ear.until_confirmed().await;
    let arrives = async |number: u64| {
        send(&machine.house, &number.to_string()).await;
        let what = format!("broadcast {number}");
        ear.until(&what, DEADLINE, |heard| {
            numbers(heard).last() == Some(&number)
        })
        .await;
    };
    arrives(1).await;
    let logins = machine.house.counters().await.logins;
    machine.clock.set("+1d");
    // The log is looked through at each broadcast, and EXP's date in each of its answers.
    arrives(2).await;
    let answer = client.request("", "GET", "/api/devices", BTreeMap::new(), None);
    answer.await.unwrap();
    arrives(3).await;
    // All of it is still in the log: a listener that resumes from its beginning hears it.
    let heard = ear.heard();
    let Event::Subscription(opened) = &heard[0].event.event else {
        panic!("{heard:?}");
    };
    let listen = Listen {
        resume: Some(Position {
            log_id: opened.log_id.clone(),
            after: heard[0].event.sequence,
        }),
        ..to("a")
    };
    let again = Transcript::open(&client, &listen).await;
    again
        .until("all that was sent", DEADLINE, |heard| {
            numbers(heard).last() == Some(&3)
        })
        .await;
    let heard = again.heard();
    assert_eq!(numbers(&heard), [1, 2, 3], "{heard:?}");
    let told = signals(&heard);
    assert!(!told.iter().any(|it| it.contains("Gap")), "{told:?}");
    assert_eq!(machine.house.counters().await.logins, logins);
    has_young_ages(&machine.run(&["status"]));
    machine.shuts_down().await;
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
