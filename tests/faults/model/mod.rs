//! The model check: a seeded program of random listeners, broadcasts, faults, restarts and token
//! changes, after which every listener's stream is held against what the network was sent.
//! `docs/model.md` says what it covers.
//!
//! `EXPD_MODEL_SEED` repeats a program (as far as the machine's timing lets it),
//! `EXPD_MODEL_SECONDS` sets how long it runs.

mod app;
mod dice;
mod ear;
mod fleet;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use expd_client::SubscriptionState;
use expd_domain::Channel;
use futures_util::FutureExt as _;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::proxy::Mode;
use app::App;
use dice::Dice;
use expd_test_support::daemon::Daemon;
use expd_test_support::judge::{Book, Logs, Sum, Trouble};
use expd_test_support::network::{Network, Outcome};
use expd_test_support::{DEADLINE, eventually};
use fleet::Fleet;

const CHANNELS: usize = 6;
/// Its broadcasts are large, so that its log is bounded by bytes and a stalled stream falls behind.
const HEAVY: usize = CHANNELS - 1;
const NAMES: [&str; 2] = ["a", "b"];
const MOST_APPS: usize = 30;

/// Short, so that tokens change all the time.
const TOKEN: Duration = Duration::from_secs(6);

const LOG_EVENTS: usize = 64;
const LOG_AGE: Duration = Duration::from_secs(8);

/// Time from the last fault until all is well again: a silent connection is found within 30 s, and
/// the next attempt may be as far away.
const RECOVERY: Duration = Duration::from_secs(90);

/// Time within which the end of a connection is noticed, on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(5);

/// Age from which a broadcast must have reached an app that reads and whose channel was last
/// reported as confirmed.
const LAG: Duration = Duration::from_secs(45);

fn channel(n: usize) -> Channel {
    let channel = Channel::new(format!("channel {n}"));
    if n == 0 { channel.consumer() } else { channel }
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
    let seconds = from_env("EXPD_MODEL_SECONDS").unwrap_or(20);
    let program = async {
        let model = Model::start(seed).await;
        model.run(Duration::from_secs(seconds)).await;
    };
    if let Err(panic) = std::panic::AssertUnwindSafe(program).catch_unwind().await {
        eprintln!(
            "to try again: EXPD_MODEL_SEED={seed} EXPD_MODEL_SECONDS={seconds} cargo test --test faults whatever_happens -- --nocapture"
        );
        std::panic::resume_unwind(panic);
    }
}

/// Restarts, which the dice may not bring in a short run.
enum Rare {
    Daemon,
    Network,
    None,
}

struct Model {
    seed: u64,
    dice: Dice,
    network: Network,
    /// Time at which the network starts again, and since when it is down.
    network_back: Option<(Instant, SystemTime)>,
    fleet: Fleet,
    /// Times at which a member's fault ends.
    heals: Vec<(Instant, usize)>,
    daemon: Daemon,
    books: Vec<Book>,
    apps: Vec<App>,
    /// Apps that have ended for good, with the time until which everything is accounted for.
    ended: Vec<(App, Option<SystemTime>)>,
    /// Apps that come back.
    away: Vec<(Instant, App)>,
    stop: CancellationToken,
    senders: JoinSet<()>,
    did: BTreeMap<String, usize>,
    connections: u64,
}

impl Model {
    async fn start(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let network = Network::start_for(TOKEN, &Fleet::devices()).await;
        let fleet = Fleet::start(network.address()).await;
        let daemon = Daemon::start_with(network.address(), |settings| {
            fleet.settle(settings);
            let limits = &mut settings.daemon.limits;
            (limits.log_events, limits.log_age) = (LOG_EVENTS, LOG_AGE);
            limits.log_bytes = 256 << 10;
        });
        let stop = CancellationToken::new();
        let mut senders = JoinSet::new();
        let books: Vec<Book> = (0..CHANNELS).map(|_| Book::default()).collect();
        for (n, book) in books.iter().enumerate() {
            let mut dice = Dice(dice.roll());
            let (sender, book, stop) = (network.sender(), book.clone(), stop.clone());
            senders.spawn(async move {
                while !stop.is_cancelled() {
                    let burst = if dice.one_in(60) { 100 } else { 1 };
                    for _ in 0..burst {
                        let name = NAMES[dice.below(2)];
                        let pad = if n == HEAVY {
                            1 + dice.below(20_000)
                        } else {
                            0
                        };
                        book.send_padded(&sender, &channel(n), name, pad).await;
                    }
                    sleep(dice.millis(5, 200)).await;
                }
            });
        }
        Self {
            seed,
            dice,
            network,
            network_back: None,
            fleet,
            heals: Vec::new(),
            daemon,
            books,
            apps: Vec::new(),
            ended: Vec::new(),
            away: Vec::new(),
            stop,
            senders,
            did: BTreeMap::new(),
            connections: 0,
        }
    }

    async fn run(mut self, span: Duration) {
        // Rare things happen once at the least.
        for rare in [Rare::Daemon, Rare::Network, Rare::None] {
            let until = Instant::now() + span / 3;
            while Instant::now() < until {
                self.step().await;
                self.due(Instant::now()).await;
                sleep(self.dice.millis(10, 200)).await;
            }
            match rare {
                Rare::Daemon => self.restart_daemon().await,
                Rare::Network => self.restart_network().await,
                Rare::None => {}
            }
        }
        self.end().await;
    }

    async fn step(&mut self) {
        match self.dice.below(1000) {
            0..250 => self.open().await,
            250..300 => self.cancel().await,
            300..430 => self.leave().await,
            430..550 => self.stall(),
            550..690 => self.harm(),
            690..697 => self.restart_network().await,
            697..705 => self.restart_daemon().await,
            _ => sleep(self.dice.millis(100, 700)).await,
        }
    }

    /// Does what was put off until now.
    async fn due(&mut self, now: Instant) {
        if let Some((back, since)) = self.network_back
            && back <= now
        {
            self.network.start_again().await;
            self.network_back = None;
            self.fleet.all_in_trouble(Trouble {
                from: since,
                to: SystemTime::now(),
            });
        }
        for app in self.apps.iter_mut().filter(|app| app.has_slept(now)) {
            app.wake();
        }
        for (_, at) in self.heals.extract_if(.., |(when, _)| *when <= now) {
            self.fleet.members[at].heal();
        }
        let back: Vec<_> = self.away.extract_if(.., |(when, _)| *when <= now).collect();
        for (_, mut app) in back {
            app.come_back(&self.daemon).await;
            self.apps.push(app);
        }
    }

    fn note(&mut self, what: impl Into<String>) {
        *self.did.entry(what.into()).or_default() += 1;
    }

    async fn open(&mut self) {
        if self.apps.len() + self.away.len() >= MOST_APPS {
            return;
        }
        let mut app = App::new(&mut self.dice);
        app.come_back(&self.daemon).await;
        self.note(app.kind());
        self.apps.push(app);
    }

    fn pick(&mut self) -> Option<usize> {
        (!self.apps.is_empty()).then(|| self.dice.below(self.apps.len()))
    }

    async fn cancel(&mut self) {
        let Some(at) = self.pick() else { return };
        let mut app = self.apps.swap_remove(at);
        // It may be told that all is well, and is to have heard everything then but what is on its
        // way.
        let until = app.is_well().then(|| SystemTime::now() - LAG);
        app.leave().await;
        self.ended.push((app, until));
        self.note("cancel");
    }

    /// An app ends, and comes back later.
    async fn leave(&mut self) {
        let Some(at) = self.pick() else { return };
        let mut app = self.apps.swap_remove(at);
        app.leave().await;
        // Long enough for its log to be gone, now and then.
        let away = if self.dice.one_in(5) {
            self.dice.millis(0, 25_000)
        } else {
            self.dice.millis(0, 300)
        };
        self.away.push((Instant::now() + away, app));
        self.note("resume");
    }

    /// An app reads no more, or does so again.
    fn stall(&mut self) {
        let Some(at) = self.pick() else { return };
        self.apps[at].stall();
        self.note("stall or wake");
    }

    fn harm(&mut self) {
        let at = self.dice.below(self.fleet.members.len());
        if let Some(fault) = self.fleet.members[at].harm(&mut self.dice) {
            let lasts = if fault == Mode::StallOpen {
                self.dice.millis(1500, 9000)
            } else if self.dice.one_in(8) {
                self.dice.millis(4000, 15_000)
            } else {
                self.dice.millis(50, 4000)
            };
            self.heals.push((Instant::now() + lasts, at));
            self.note(format!("{fault:?}"));
        }
    }

    async fn restart_network(&mut self) {
        if self.network_back.is_some() {
            return;
        }
        let since = SystemTime::now();
        if self.dice.one_in(2) {
            self.network.stop().await;
            self.note("the network stops");
        } else {
            self.network.kill().await;
            self.note("the network is killed");
        }
        self.fleet.all_in_trouble(Trouble {
            from: since,
            to: SystemTime::now(),
        });
        let back = Instant::now() + self.dice.millis(0, 2000);
        self.network_back = Some((back, since));
    }

    /// Every app is told, and comes back.
    async fn restart_daemon(&mut self) {
        self.note("the daemon restarts");
        let from = SystemTime::now();
        self.count_connections().await;
        self.daemon.stop().await;
        self.daemon.start_again();
        for mut app in std::mem::take(&mut self.apps) {
            app.outlive_the_daemon();
            let back = Instant::now() + self.dice.millis(0, 1500);
            self.away.push((back, app));
        }
        self.fleet.all_in_trouble(Trouble {
            from,
            to: SystemTime::now(),
        });
    }

    async fn count_connections(&mut self) {
        let instances = self.daemon.status().await.instances;
        self.connections += instances.iter().map(|i| i.counters.connects).sum::<u64>();
    }

    /// Broadcasts once on every channel under every name; returns the numbers.
    async fn say_something(&self) -> BTreeMap<(usize, &'static str), u64> {
        let sender = self.network.sender();
        let mut last = BTreeMap::new();
        for (n, book) in self.books.iter().enumerate() {
            for name in NAMES {
                let number = eventually("the network is back", async || {
                    let (number, outcome) = book.send(&sender, &channel(n), name).await;
                    let is_sent = outcome == Outcome::Sent;
                    is_sent
                        .then_some(number)
                        .ok_or_else(|| format!("{outcome:?}"))
                })
                .await;
                last.insert((n, name), number);
            }
        }
        last
    }

    async fn end(mut self) {
        let long_after = Instant::now() + Duration::from_secs(3600);
        self.due(long_after).await;
        self.stop.cancel();
        while let Some(sender) = self.senders.join_next().await {
            sender.unwrap();
        }
        let well = Instant::now() + RECOVERY;
        let until = self.all_well(well).await;
        let mut broken = self.check_figures().await;
        self.count_connections().await;
        for mut app in std::mem::take(&mut self.apps) {
            app.leave().await;
            self.ended.push((app, Some(until)));
        }
        let total = self.judge(&mut broken);
        broken.extend(self.check_leftovers().await);
        eprintln!(
            "seed {}: {} broadcasts, {total:?}; {:?}; {} connections",
            self.seed,
            self.books
                .iter()
                .map(|book| book.sent().len())
                .sum::<usize>(),
            self.did,
            self.connections,
        );
        assert!(broken.is_empty(), "seed {}: {broken:#?}", self.seed);
        self.daemon.stop().await;
        self.network.stop().await;
    }

    /// Waits until every app that has not ended is confirmed and hears again; returns until when
    /// all is accounted for.
    async fn all_well(&mut self, well: Instant) -> SystemTime {
        for app in &mut self.apps {
            app.wake();
        }
        for app in &self.apps {
            let left = well.saturating_duration_since(Instant::now());
            let confirmed = app.hears(|life| {
                life.ended.is_some() || life.state() == Some(SubscriptionState::Confirmed)
            });
            if timeout(left, confirmed).await.is_err() {
                let status = self.daemon.status().await;
                let links: Vec<_> = status.instances.iter().map(|i| &i.link).collect();
                panic!(
                    "seed {}: {} is not confirmed {RECOVERY:?} after the last fault: {:#?}; links: {links:#?}",
                    self.seed,
                    app.what(),
                    app.tail()
                );
            }
        }
        // A connection may be dead and not have been found so yet, so this is said until all have
        // heard it.
        loop {
            let last = self.say_something().await;
            let until = SystemTime::now();
            let all_heard = async {
                for app in &self.apps {
                    let wanted = last[&(app.channel, app.name.unwrap_or(NAMES[1]))];
                    app.hears(|life| life.ended.is_some() || life.last_number() == Some(wanted))
                        .await;
                }
            };
            if timeout(DEADLINE, all_heard).await.is_ok() {
                return until;
            }
            assert!(
                Instant::now() < well,
                "seed {}: not everybody hears again",
                self.seed
            );
        }
    }

    /// The daemon's own figures of every listener are what the listener heard.
    async fn check_figures(&self) -> Vec<String> {
        let status = self.daemon.status().await;
        let listeners: Vec<_> = status.instances.iter().flat_map(|i| &i.listeners).collect();
        self.apps
            .iter()
            .filter_map(|app| app.check_figures(&listeners).err())
            .collect()
    }

    fn judge(&self, broken: &mut Vec<String>) -> Sum {
        let mut total = Sum::default();
        let mut logs = Logs::default();
        for (app, _) in &self.ended {
            broken.extend(app.observe(&mut logs).err());
        }
        for (app, until) in &self.ended {
            let sent = self.books[app.channel].sent();
            let member = &self.fleet.members[app.member];
            match app.judge(&sent, &logs, member, *until) {
                Ok(sum) => total.add(sum),
                Err(why) => {
                    let file = std::env::temp_dir().join(format!(
                        "expd-model-{}-{}.txt",
                        self.seed,
                        broken.len()
                    ));
                    let all = format!("{why}\n{:#?}\n{:#?}\n{sent:#?}", app.lives, member.troubles);
                    std::fs::write(&file, all).unwrap();
                    broken.push(format!("{}: {why} (all in {})", app.what(), file.display()));
                }
            }
        }
        total
    }

    /// The daemon lets go of everything once everybody has left.
    async fn check_leftovers(&self) -> Option<String> {
        let deadline = Instant::now() + LOG_AGE + DEADLINE + DEADLINE;
        loop {
            let status = self.daemon.status().await;
            let (channels, listeners) = status.instances.iter().fold((0, 0), |(c, l), i| {
                (c + i.channels.len(), l + i.listeners.len())
            });
            if channels + listeners == 0 {
                return None;
            }
            if Instant::now() > deadline {
                return Some(format!(
                    "{channels} channels and {listeners} listeners stay"
                ));
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
}
