//! The model check: a seeded program of random listeners, broadcasts, faults, restarts and token changes, after which every
//! listener's stream is held against what the network was sent.
//!
//! `EXPD_MODEL_SEED` repeats a program (as far as the machine's timing lets it), `EXPD_MODEL_SECONDS` sets how long it runs.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use expd::client::{Listen, SubscriptionState};
use expd::exp::Channel;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::judge::{Book, Sum, judge};
use crate::proxy::{Mode, Proxy};
use crate::world::{Daemon, Ear, Heard, Network, Outcome, SOON, numbers, state};

const CHANNELS: usize = 6;
const NAMES: [&str; 2] = ["a", "b"];
const MOST_LISTENERS: usize = 24;

/// Short, so that tokens change all the time.
const TOKEN: Duration = Duration::from_secs(6);

/// How soon all is well again after the last fault: a silent connection is found within 30 s, and the next try may be that far
/// away as well.
const RECOVERY: Duration = Duration::from_secs(90);

/// A small generator (splitmix64), so that a seed means the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.roll() % end as u64).unwrap()
    }

    fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.roll() % (to - from))
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

struct Listener {
    channel: usize,
    name: Option<&'static str>,
    pulls: bool,
    ear: Ear,
}

impl Listener {
    fn listen(&self) -> Listen {
        listen(self.channel, self.name)
    }

    fn what(&self) -> String {
        format!(
            "channel {}, name {:?}, {}",
            self.channel,
            self.name,
            if self.pulls { "pulled" } else { "streamed" }
        )
    }
}

fn channel(n: usize) -> Channel {
    Channel::new(format!("channel {n}"))
}

fn listen(n: usize, name: Option<&str>) -> Listen {
    Listen {
        name: name.unwrap_or_default().to_owned(),
        ..Listen::to(channel(n))
    }
}

fn from_env(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_nothing_is_lost_in_silence() {
    let seed = from_env("EXPD_MODEL_SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        u64::try_from(now.as_nanos() % 1_000_000_007).unwrap()
    });
    let span = Duration::from_secs(from_env("EXPD_MODEL_SECONDS").unwrap_or(60));
    eprintln!(
        "EXPD_MODEL_SEED={seed} EXPD_MODEL_SECONDS={}",
        span.as_secs()
    );
    Model::start(seed).await.run(span).await;
}

struct Model {
    seed: u64,
    dice: Dice,
    network: Network,
    proxy: Proxy,
    daemon: Daemon,
    books: Vec<Book>,
    listeners: Vec<Listener>,
    stop: CancellationToken,
    senders: JoinSet<()>,
    did: BTreeMap<String, usize>,
    total: Sum,
    broken: Vec<String>,
}

impl Model {
    async fn start(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let network = Network::start(TOKEN).await;
        let proxy = Proxy::start(network.address()).await;
        let daemon = Daemon::start_with(proxy.address, |settings| {
            settings.daemon.limits.log_events = 64;
            settings.daemon.limits.log_age = Duration::from_secs(8);
        });
        let stop = CancellationToken::new();
        let mut senders = JoinSet::new();
        let books: Vec<Book> = (0..CHANNELS).map(|_| Book::default()).collect();
        for (n, book) in books.iter().enumerate() {
            let mut dice = Dice(dice.roll());
            let (sender, book, stop) = (network.sender(), book.clone(), stop.clone());
            senders.spawn(async move {
                while !stop.is_cancelled() {
                    let burst = if dice.one_in(20) { 100 } else { 1 };
                    for _ in 0..burst {
                        let name = NAMES[dice.below(2)];
                        book.send(&sender, &channel(n), name).await;
                    }
                    sleep(dice.millis(5, 150)).await;
                }
            });
        }
        Self {
            seed,
            dice,
            network,
            proxy,
            daemon,
            books,
            listeners: Vec::new(),
            stop,
            senders,
            did: BTreeMap::new(),
            total: Sum::default(),
            broken: Vec::new(),
        }
    }

    async fn run(mut self, span: Duration) {
        let until = Instant::now() + span;
        while Instant::now() < until {
            self.step().await;
            sleep(self.dice.millis(10, 300)).await;
        }
        self.end().await;
    }

    async fn step(&mut self) {
        match self.dice.below(100) {
            0..40 => self.open().await,
            40..55 => self.cancel(),
            55..75 => self.resume().await,
            75..84 => self.fault().await,
            84..87 => self.restart().await,
            _ => sleep(self.dice.millis(500, 4000)).await,
        }
    }

    fn note(&mut self, what: impl Into<String>) {
        *self.did.entry(what.into()).or_default() += 1;
    }

    async fn open(&mut self) {
        if self.listeners.len() >= MOST_LISTENERS {
            return;
        }
        let n = self.dice.below(CHANNELS);
        let name = [None, Some(NAMES[0]), None][self.dice.below(3)];
        let pulls = self.dice.one_in(3);
        let client = self.daemon.client().await;
        let ear = if pulls {
            let pause = self.dice.millis(0, 120);
            Ear::pull(&client, &listen(n, name), pause).await
        } else {
            Ear::open(&client, &listen(n, name)).await
        };
        self.note(if pulls { "open, pulled" } else { "open" });
        self.listeners.push(Listener {
            channel: n,
            name,
            pulls,
            ear,
        });
    }

    fn cancel(&mut self) {
        if self.listeners.is_empty() {
            return;
        }
        let at = self.dice.below(self.listeners.len());
        let listener = self.listeners.swap_remove(at);
        self.judge(&listener, None);
        self.note("cancel");
    }

    /// An app ends and comes back.
    async fn resume(&mut self) {
        if self.listeners.is_empty() {
            return;
        }
        let at = self.dice.below(self.listeners.len());
        if self.listeners[at].pulls {
            return;
        }
        let mut listener = self.listeners.swap_remove(at);
        let (heard, position) = listener.ear.so_far();
        if position.is_none() {
            self.listeners.push(listener);
            return;
        }
        let resume = Listen {
            resume: position,
            ..listener.listen()
        };
        let away = if self.dice.one_in(4) {
            self.dice.millis(0, 12_000)
        } else {
            self.dice.millis(0, 300)
        };
        let client = self.daemon.client().await;
        // What the old stream brought since the look was not dealt with, and has to come again.
        drop(std::mem::replace(&mut listener.ear, Ear::silent()));
        sleep(away).await;
        listener.ear = Ear::after(heard, client.listen(&resume).await.unwrap());
        self.note("resume");
        self.listeners.push(listener);
    }

    async fn fault(&mut self) {
        let modes = [
            Mode::Reset,
            Mode::Refuse,
            Mode::Stall,
            Mode::Slow(4000),
            Mode::Cut,
            Mode::Garbage,
            Mode::Oversized,
            Mode::Http(500, 0),
            Mode::Http(503, 1),
            Mode::Late(1500),
            Mode::Silence,
        ];
        let mode = modes[self.dice.below(modes.len())];
        // Silence takes half a minute to be found, so it is rare.
        if mode == Mode::Silence && !self.dice.one_in(3) {
            return;
        }
        self.note(format!("{mode:?}"));
        self.proxy.set(mode);
        sleep(self.dice.millis(50, 4000)).await;
        self.proxy.set(Mode::Pass);
    }

    async fn restart(&mut self) {
        if self.dice.one_in(2) {
            self.network.stop().await;
            self.note("the network stops");
        } else {
            self.network.kill().await;
            self.note("the network is killed");
        }
        sleep(self.dice.millis(0, 2000)).await;
        self.network.start_again().await;
    }

    fn judge(&mut self, listener: &Listener, until: Option<SystemTime>) {
        let heard = listener.ear.heard();
        let sent = self.books[listener.channel].sent();
        match judge(listener.name, &heard, &sent, until) {
            Ok(sum) => {
                self.total.delivered += sum.delivered;
                self.total.missed += sum.missed;
                for (reason, count) in sum.gaps {
                    *self.total.gaps.entry(reason).or_default() += count;
                }
            }
            Err(why) => {
                let file = std::env::temp_dir().join(format!("expd-model-{}.txt", self.seed));
                std::fs::write(&file, format!("{why}\n{heard:#?}\n{sent:#?}")).unwrap();
                self.broken.push(format!(
                    "{}: {why} (all in {})",
                    listener.what(),
                    file.display()
                ));
            }
        }
        if let Some(end) = listener.ear.ended.lock().unwrap().as_ref() {
            self.broken
                .push(format!("{}: the stream ended: {end}", listener.what()));
        }
    }

    /// Broadcasts once on every channel under every name; returns the numbers.
    async fn say_something(&self) -> BTreeMap<(usize, &'static str), u64> {
        let sender = self.network.sender();
        let mut last = BTreeMap::new();
        for (n, book) in self.books.iter().enumerate() {
            for name in NAMES {
                let deadline = Instant::now() + SOON;
                loop {
                    let (number, outcome) = book.send(&sender, &channel(n), name).await;
                    if outcome == Outcome::Sent {
                        last.insert((n, name), number);
                        break;
                    }
                    assert!(Instant::now() < deadline, "the network does not come back");
                }
            }
        }
        last
    }

    async fn end(mut self) {
        self.proxy.set(Mode::Pass);
        self.stop.cancel();
        while let Some(sender) = self.senders.join_next().await {
            sender.unwrap();
        }
        let well = Instant::now() + RECOVERY;
        for listener in &self.listeners {
            let left = well.saturating_duration_since(Instant::now());
            let what = format!("seed {}: {}: confirmed", self.seed, listener.what());
            listener
                .ear
                .until(&what, left, |heard| {
                    state(heard) == Some(SubscriptionState::Confirmed)
                })
                .await;
        }
        // A connection may be dead and not have been found so yet, so this is said until all have heard it.
        let until = loop {
            let last = self.say_something().await;
            let until = SystemTime::now();
            let all_heard = async {
                for listener in &self.listeners {
                    let wanted = last[&(listener.channel, listener.name.unwrap_or(NAMES[1]))];
                    let heard = |heard: &[Heard]| numbers(heard).last() == Some(&wanted);
                    listener.ear.hears(heard).await;
                }
            };
            if timeout(SOON, all_heard).await.is_ok() {
                break until;
            }
            assert!(
                Instant::now() < well,
                "seed {}: not everybody hears again",
                self.seed
            );
        };
        for listener in std::mem::take(&mut self.listeners) {
            self.judge(&listener, Some(until));
        }
        let status = self.daemon.status().await;
        let counters = &status.instances[0].counters;
        eprintln!(
            "seed {}: {:?}; {:?}; {} connections, {} lost, {} duplicates dropped",
            self.seed,
            self.total,
            self.did,
            counters.connects,
            counters.disconnects,
            counters.duplicates
        );
        assert!(
            self.broken.is_empty(),
            "seed {}: {:#?}",
            self.seed,
            self.broken
        );
        self.daemon.stop().await;
        self.network.stop().await;
    }
}
