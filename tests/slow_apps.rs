//! Slow and broken apps harm themselves alone: the real daemon under apps that do not read, that die in mid-call, that come and
//! go by the thousand, and that send garbage.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may fail by panicking"
)]
#![allow(
    clippy::too_many_lines,
    reason = "two stories, told from beginning to end"
)]

#[path = "faults/world.rs"]
#[allow(dead_code, reason = "shared with the tests of faults")]
mod world;

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use expd::client::{Client, Code, Event, Listen, ListenEvent, Overflow, Status};
use expd::exp::{Channel, Payload};
use futures_util::StreamExt as _;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use world::{Ear, Network, Outcome, SOON, to};

/// How long the daemon's logs hold events, and how long a channel that nobody listens to lingers.
const LOG_AGE: Duration = Duration::from_secs(20);

/// Latencies are measured, so one test runs at a time.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The daemon as a process of its own, so that its memory and descriptors are its own.
struct Process {
    child: Child,
    socket: PathBuf,
    _folder: TempDir,
}

impl Process {
    async fn start(network: &Network) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("expd.sock");
        let settings = format!(
            r#"
            [daemon]
            log = "warn"
            [daemon.limits]
            log_age = "{}s"
            [instances.default]
            host = "http://{}"
            transport = "websocket"
            protocol = "4"
            [instances.default.credentials]
            type = "device"
            uuid = "daemon"
            secret = "the secret of daemon"
            "#,
            LOG_AGE.as_secs(),
            network.address()
        );
        let file = folder.path().join("expd.toml");
        std::fs::write(&file, settings).unwrap();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_expd"))
            .arg("serve")
            .arg("--config")
            .arg(&file)
            .arg("--socket")
            .arg(&socket)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let process = Self {
            child,
            socket,
            _folder: folder,
        };
        let deadline = Instant::now() + SOON;
        while Client::connect(Some(process.socket.clone())).await.is_err() {
            assert!(Instant::now() < deadline, "the daemon does not start");
            sleep(Duration::from_millis(20)).await;
        }
        process
    }

    /// An app of its own.
    async fn app(&self) -> Client {
        Client::connect(Some(self.socket.clone())).await.unwrap()
    }

    fn proc(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.child.id().unwrap()))
    }

    /// A line of `/proc/PID/status` in KiB.
    fn memory(&self, line: &str) -> usize {
        let status = std::fs::read_to_string(self.proc("status")).unwrap();
        let found = status.lines().find_map(|l| l.strip_prefix(line)).unwrap();
        let digits: String = found.chars().filter(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    }

    fn descriptors(&self) -> usize {
        std::fs::read_dir(self.proc("fd")).unwrap().count()
    }

    async fn until(&self, what: &str, within: Duration, mut good: impl FnMut(&Status) -> bool) {
        let client = self.app().await;
        let deadline = Instant::now() + within;
        loop {
            let status = client.status().await.unwrap();
            if good(&status) {
                return;
            }
            let (channels, listeners) = count(&status);
            assert!(
                Instant::now() < deadline,
                "not {what} after {within:?}: {channels} channels, {listeners} listeners, {} descriptors",
                self.descriptors()
            );
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn until_descriptors(&self, most: usize) {
        let deadline = Instant::now() + SOON;
        while self.descriptors() > most {
            assert!(
                Instant::now() < deadline,
                "{} descriptors, not {most}",
                self.descriptors()
            );
            sleep(Duration::from_millis(50)).await;
        }
    }
}

fn count(status: &Status) -> (usize, usize) {
    let instance = &status.instances[0];
    (instance.channels.len(), instance.listeners.len())
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(now.as_micros()).unwrap()
}

/// The number and the time that a broadcast carries.
fn read(event: &ListenEvent) -> Option<(u64, u64)> {
    let Event::Broadcast(broadcast) = &event.event else {
        return None;
    };
    let value: serde_json::Value = serde_json::from_str(broadcast.payload.as_str()).unwrap();
    Some((value["n"].as_u64()?, value["at"].as_u64()?))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_stalled_apps_cost_the_others_nothing() {
    const STALLED: usize = 100;
    const HEALTHY: usize = 10;
    /// 1 MB a second: 100 broadcasts of 10 kB.
    const SIZE: usize = 10_000;
    const SENDS: u64 = 1500;
    /// The whole daemon, unoptimized: its logs (4 MiB of this channel), and what 100 streams hold of it.
    const MEMORY_KIB: usize = 100 * 1024;
    /// How late a healthy stream may have a broadcast, counted from before it was sent: most of them, and all but the worst
    /// thousandth on a busy machine.
    const USUAL: Duration = Duration::from_millis(100);
    const LATE: Duration = Duration::from_secs(1);

    let _alone = ALONE.lock().await;

    let mut network = Network::start(Duration::from_secs(3600)).await;
    let daemon = Process::start(&network).await;
    let mut ears = Vec::new();
    for _ in 0..HEALTHY {
        let ear = Ear::open(&daemon.app().await, &to("busy")).await;
        ear.until_confirmed().await;
        ears.push(ear);
    }
    let before = daemon.memory("VmRSS");
    let mut stalled = Vec::new();
    for n in 0..STALLED {
        let listen = Listen {
            overflow: if n == 0 {
                Overflow::Cancel
            } else {
                Overflow::Skip
            },
            ..to("busy")
        };
        stalled.push(daemon.app().await.listen(&listen).await.unwrap());
    }
    let sender = network.sender();
    let channel = Channel::new("busy");
    let pad = "x".repeat(SIZE);
    let mut beat = tokio::time::interval(Duration::from_millis(10));
    for n in 0..SENDS {
        beat.tick().await;
        let payload = format!(r#"{{"n":{n},"at":{},"pad":"{pad}"}}"#, now());
        assert_eq!(
            sender.send_json(&channel, "n", &payload).await,
            Outcome::Sent
        );
    }
    let all: Vec<u64> = (0..SENDS).collect();
    let mut late: Vec<u64> = Vec::new();
    for ear in &ears {
        ear.until("the last broadcast", SOON, |heard| {
            heard
                .last()
                .and_then(|h| read(&h.event))
                .is_some_and(|(n, _)| n == SENDS - 1)
        })
        .await;
        let heard = ear.heard();
        let numbers: Vec<u64> = heard
            .iter()
            .filter_map(|h| Some(read(&h.event)?.0))
            .collect();
        let told = world::signals(&heard);
        assert!(
            numbers == all,
            "a healthy stream had {} of {SENDS}: {told:?}",
            numbers.len()
        );
        late.extend(heard.iter().filter_map(|h| {
            let at = h.at.duration_since(UNIX_EPOCH).unwrap().as_micros();
            Some(u64::try_from(at).unwrap().saturating_sub(read(&h.event)?.1))
        }));
    }
    late.sort_unstable();
    let (half, most) = (late[late.len() / 2], late[late.len() * 999 / 1000]);
    let peak = daemon.memory("VmHWM");
    eprintln!(
        "with {STALLED} stalled streams and 1 MB/s: healthy streams {} ms late in the middle, {} ms in the worst thousandth; memory {} MiB before, {} MiB at most",
        half / 1000,
        most / 1000,
        before / 1024,
        peak / 1024
    );
    assert!(u128::from(half) < USUAL.as_micros(), "{half} µs late");
    assert!(u128::from(most) < LATE.as_micros(), "{most} µs late");
    assert!(peak < MEMORY_KIB, "{peak} KiB");

    // They wake up.
    for (at, mut stream) in stalled.into_iter().enumerate() {
        let mut next = 0;
        let mut gaps = 0;
        loop {
            let event = match timeout(SOON, stream.next()).await {
                Ok(Some(Ok(event))) => event,
                Ok(Some(Err(error))) => {
                    assert_eq!(at, 0, "{error}");
                    assert!(
                        format!("{error:?}").contains(&format!("{:?}", Code::ResourceExhausted)),
                        "{error:?}"
                    );
                    break;
                }
                ended => panic!("stream {at} at {next}: {ended:?}"),
            };
            if let Event::Gap(gap) = &event.event {
                gaps += 1;
                next += gap.missed.unwrap();
            }
            if let Some((n, _)) = read(&event) {
                assert_eq!(n, next, "stream {at}: the gap has the wrong count");
                next += 1;
            }
            if next == SENDS {
                assert!(at != 0 && gaps >= 1, "stream {at}: {gaps} gaps");
                break;
            }
        }
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_apps_leave_nothing_behind() {
    const OPENS: usize = 10_000;
    const CHANNELS: usize = 20;

    let _alone = ALONE.lock().await;
    let mut network = Network::start(Duration::from_secs(3600)).await;
    let daemon = Process::start(&network).await;
    let ear = Ear::open(&daemon.app().await, &to("witness")).await;
    ear.until_confirmed().await;
    daemon
        .until("one listener", SOON, |status| count(status) == (1, 1))
        .await;
    let descriptors = daemon.descriptors();
    let memory = daemon.memory("VmRSS");

    // Quick opens and closes, by eight apps.
    let start = Instant::now();
    let mut apps = JoinSet::new();
    for app in 0..8 {
        let client = daemon.app().await;
        apps.spawn(async move {
            for n in 0..OPENS / 8 {
                let listen = to(&format!("channel {}", (n + app) % CHANNELS));
                let mut stream = client.listen(&listen).await.unwrap();
                // Every other one goes without having heard a word.
                if n % 2 == 0 {
                    stream.next().await.unwrap().unwrap();
                }
            }
        });
    }
    while let Some(app) = apps.join_next().await {
        app.unwrap();
    }
    eprintln!(
        "{OPENS} opens and closes in {:.1} s",
        start.elapsed().as_secs_f64()
    );

    // Connections that are opened and closed, with and without a word.
    for n in 0..500 {
        let mut stream = UnixStream::connect(&daemon.socket).await.unwrap();
        if n % 2 == 0 {
            let garbage: Vec<u8> = std::iter::repeat_with(rand::random).take(200).collect();
            // The daemon may have closed it already.
            stream.write_all(&garbage).await.ok();
        }
    }
    // Garbage after a proper beginning, and half-closed sockets.
    let mut open = Vec::new();
    for n in 0..50 {
        let mut stream = UnixStream::connect(&daemon.socket).await.unwrap();
        stream
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .await
            .unwrap();
        stream
            .write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0])
            .await
            .unwrap();
        if n % 2 == 0 {
            let garbage: Vec<u8> = std::iter::repeat_with(rand::random).take(2000).collect();
            stream.write_all(&garbage).await.ok();
            let mut answer = Vec::new();
            // Told off and closed.
            timeout(SOON, stream.read_to_end(&mut answer))
                .await
                .unwrap()
                .ok();
        } else {
            stream.shutdown().await.ok();
            open.push(stream);
        }
    }
    drop(open);

    // Apps that die in mid-call.
    let mut dying = JoinSet::new();
    for _ in 0..50 {
        let client = daemon.app().await;
        dying.spawn(async move {
            let wait = Some(Duration::from_secs(60));
            client
                .broadcast("", &Channel::new("witness"), "n", &Payload::null(), wait)
                .await
        });
    }
    sleep(Duration::from_millis(500)).await;
    dying.shutdown().await;

    daemon
        .until("one listener", SOON, |status| count(status).1 == 1)
        .await;
    daemon.until_descriptors(descriptors + 2).await;
    daemon
        .until("one channel", LOG_AGE + SOON, |status| {
            count(status) == (1, 1)
        })
        .await;
    let after = daemon.memory("VmRSS");
    eprintln!("memory {memory} KiB before, {after} KiB after");
    assert!(
        after < memory + 40 * 1024,
        "{memory} KiB before, {after} KiB after"
    );
    assert_eq!(
        network
            .sender()
            .send(&Channel::new("witness"), "n", 7)
            .await,
        Outcome::Sent
    );
    ear.until("the broadcast", SOON, |heard| {
        world::numbers(heard).last() == Some(&7)
    })
    .await;
    network.stop().await;
}
