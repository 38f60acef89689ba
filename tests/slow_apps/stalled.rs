//! A hundred apps that do not read, and ten that do.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use expd_client::{Code, Event, EventStream, Gap, Listen, ListenEvent, Overflow};
use expd_domain::Channel;
use futures_util::StreamExt as _;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::ALONE;
use crate::process::Process;
use expd_test_support::network::{Network, Outcome, Sender};
use expd_test_support::transcript::to;
use expd_test_support::{DEADLINE, eventually};

const STALLED: usize = 100;
const HEALTHY: usize = 10;

/// 1 MB a second: 100 broadcasts of 10 kB.
const SIZE: usize = 10_000;
const BEAT: Duration = Duration::from_millis(10);

/// Broadcasts before there are stalled streams, until what lies between the daemon and their apps
/// is full (1 MiB each), and after.
const BEFORE: u64 = 500;
const FULL: u64 = BEFORE + 300;
const END: u64 = FULL + 1200;

/// The cap on the whole daemon's memory, unoptimized: its logs (4 MiB of this channel), and what
/// 100 streams hold of it.
const MEMORY_KIB: usize = 100 * 1024;

/// No event leaves the log for its age: it is full sooner.
const LOG_AGE: Duration = Duration::from_secs(20);

/// The cap on the channel's log, by default.
const LOG_BYTES: usize = 4 << 20;

/// Every wait of a broadcast, in µs: from before it was sent, and from when the daemon had it.
#[derive(Clone, Copy)]
struct Late {
    whole: u64,
    inside: u64,
}

/// An app that reads all the time.
#[derive(Clone, Default)]
struct Healthy(Arc<Mutex<Heard>>, Arc<Notify>);

#[derive(Default)]
struct Heard {
    /// The number that comes next, where nothing is lost in silence.
    next: u64,
    lates: Vec<Late>,
    gaps: Vec<Gap>,
    wrong: Option<String>,
}

impl Healthy {
    async fn read(self, mut stream: EventStream) {
        while let Some(event) = stream.next().await {
            let at = SystemTime::now();
            let mut heard = self.0.lock().unwrap();
            match event {
                Err(error) => heard.wrong = Some(error.to_string()),
                Ok(event) => heard.take(&event, at),
            }
            drop(heard);
            self.1.notify_one();
        }
    }

    /// Waits until everything before a number was heard or told as missing; returns how late each
    /// was, and starts afresh.
    async fn up_to(&self, end: u64) -> Vec<Late> {
        let all = async {
            loop {
                if let Some(lates) = self.0.lock().unwrap().taken_up_to(end) {
                    return lates;
                }
                self.1.notified().await;
            }
        };
        let in_time = timeout(DEADLINE * 3, all).await;
        in_time.unwrap_or_else(|_| panic!("only {} of {end}", self.0.lock().unwrap().next))
    }
}

impl Heard {
    /// Takes the delays of all numbers below `end`, once each was heard or told as missing.
    fn taken_up_to(&mut self, end: u64) -> Option<Vec<Late>> {
        assert_eq!(self.wrong, None, "{:?}", self.gaps);
        (self.next >= end).then(|| std::mem::take(&mut self.lates))
    }

    fn take(&mut self, event: &ListenEvent, at: SystemTime) {
        if let Event::Gap(gap) = &event.event {
            self.gaps.push(gap.clone());
            // Never heard, so later than any other.
            let missed = gap.missed.unwrap_or(0);
            let never = Late {
                whole: u64::MAX,
                inside: u64::MAX,
            };
            self.lates.extend((0..missed).map(|_| never));
            self.next += missed;
        }
        let Some((n, sent)) = read(event) else {
            return;
        };
        if n != self.next {
            let words = format!("{n} came where {} was to: {:?}", self.next, self.gaps);
            self.wrong.get_or_insert(words);
        }
        self.next = n + 1;
        let Event::Broadcast(broadcast) = &event.event else {
            return;
        };
        let since = |from: SystemTime| {
            let late = at.duration_since(from).unwrap_or_default();
            u64::try_from(late.as_micros()).unwrap()
        };
        self.lates.push(Late {
            whole: since(UNIX_EPOCH + Duration::from_micros(sent)),
            inside: since(broadcast.received_at.unwrap().0),
        });
    }
}

/// The middle and the worst thousandth in ms, and what of it passed in the daemon and after it.
#[derive(Clone, Copy, Debug)]
struct Spread {
    middle: f64,
    worst: f64,
    middle_inside: f64,
    worst_inside: f64,
}

impl Spread {
    fn of(lates: &[Late]) -> Self {
        #[allow(clippy::cast_precision_loss, reason = "milliseconds")]
        let at = |thousandths: usize, which: fn(&Late) -> u64| {
            let mut sorted: Vec<u64> = lates.iter().map(which).collect();
            sorted.sort_unstable();
            sorted[sorted.len() * thousandths / 1000] as f64 / 1000.0
        };
        Self {
            middle: at(500, |late| late.whole),
            worst: at(999, |late| late.whole),
            middle_inside: at(500, |late| late.inside),
            worst_inside: at(999, |late| late.inside),
        }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.1} in the middle ({:.1} from the daemon on), {:.1} in the worst thousandth ({:.1})",
            self.middle, self.middle_inside, self.worst, self.worst_inside
        )
    }
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
    let text = broadcast.payload.as_str().strip_prefix('[')?;
    let mut parts = text.split(',');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

async fn send(sender: &Sender, numbers: std::ops::Range<u64>) -> f64 {
    let channel = Channel::new("busy");
    let pad = "x".repeat(SIZE);
    let mut beat = tokio::time::interval(BEAT);
    let start = Instant::now();
    let count = numbers.end - numbers.start;
    for n in numbers {
        beat.tick().await;
        let payload = format!(r#"[{n},{},"{pad}"]"#, now());
        let outcome = sender.send_json(&channel, "n", &payload).await;
        assert_eq!(outcome, Outcome::Sent);
    }
    #[allow(clippy::cast_precision_loss, reason = "megabytes")]
    let megabytes = (count * SIZE as u64) as f64 / 1e6;
    megabytes / start.elapsed().as_secs_f64()
}

async fn all_up_to(healthy: &[Healthy], end: u64) -> Vec<Late> {
    let mut lates = Vec::new();
    for app in healthy {
        lates.extend(app.up_to(end).await);
    }
    lates
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_stalled_apps_cost_the_others_nothing() {
    let _alone = ALONE.lock().await;
    let mut network = Network::start(Duration::from_secs(3600)).await;
    let daemon = Process::start(&network, LOG_AGE).await;
    let mut reading = JoinSet::new();
    let mut healthy = Vec::new();
    for _ in 0..HEALTHY {
        let stream = daemon.app().await.listen(&to("busy")).await.unwrap();
        let app = Healthy::default();
        reading.spawn(app.clone().read(stream));
        healthy.push(app);
    }
    eventually("the channel is confirmed", async || {
        let channels = daemon.status().await.instances.remove(0).channels;
        let is_confirmed = channels.first().is_some_and(|c| c.confirmed_at.is_some());
        is_confirmed
            .then_some(())
            .ok_or_else(|| format!("{channels:?}"))
    })
    .await;
    let sender = network.sender();

    // Nobody stalls: how late this machine is by itself.
    let rate_before = send(&sender, 0..BEFORE).await;
    let without = all_up_to(&healthy, BEFORE).await;
    let memory_before = daemon.counts().await.memory;

    let mut stalled = Vec::new();
    for n in 0..STALLED {
        let overflow = match n {
            0 => Overflow::Cancel,
            _ => Overflow::Skip,
        };
        let listen = Listen {
            overflow,
            ..to("busy")
        };
        stalled.push(daemon.app().await.listen(&listen).await.unwrap());
    }
    send(&sender, BEFORE..FULL).await;
    let filling = all_up_to(&healthy, FULL).await;
    let rate = send(&sender, FULL..END).await;
    let with = all_up_to(&healthy, END).await;
    let peak = daemon.peak();
    let log_bytes = daemon.counts().await.log_bytes;
    let missed = with.iter().filter(|late| late.whole == u64::MAX).count();
    let base = Spread::of(&without);
    let late = Spread::of(&with);
    eprintln!(
        "late by ms, without stalled streams ({rate_before:.2} MB/s): {base}; while {STALLED} of them fill up: {}; with {STALLED} \
         stalled ones ({rate:.2} MB/s): {late}, {missed} told as missed; memory {} MiB before, {} MiB at most",
        Spread::of(&filling),
        memory_before / 1024,
        peak / 1024
    );
    // The middle is the daemon's own; the worst thousandth is the machine's, too, on which others
    // work.
    assert!(late.middle < 3.0 * base.middle + 20.0, "{late:?}, {base:?}");
    assert!(late.worst < 5.0 * base.worst + 500.0, "{late:?}, {base:?}");
    assert!(peak < MEMORY_KIB, "{peak} KiB");
    assert!(log_bytes <= LOG_BYTES, "{log_bytes}");

    for (at, stream) in stalled.into_iter().enumerate() {
        wakes_up(at, stream, BEFORE..END).await;
    }
    network.stop().await;
}

/// A stalled stream is told how many it missed, and has all others in order; the first one had
/// asked to be ended instead.
async fn wakes_up(at: usize, mut stream: EventStream, numbers: std::ops::Range<u64>) {
    let mut next = numbers.start;
    let mut gaps = 0;
    while next < numbers.end {
        let event = match timeout(DEADLINE, stream.next()).await {
            Ok(Some(Ok(event))) => event,
            Ok(Some(Err(error))) => {
                assert_eq!(at, 0, "{error}");
                let words = format!("{error:?}");
                let code = format!("{:?}", Code::ResourceExhausted);
                assert!(words.contains(&code), "{words}");
                return;
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
    }
    assert!(at != 0 && gaps >= 1, "stream {at}: {gaps} gaps");
}
