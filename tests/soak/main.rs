//! One program in each language, with its library, hears a channel while the daemon, the network
//! and the programs themselves are stopped, killed and started again in turn. Nothing is missing
//! that was not told.
//!
//! `tests/soak/run` installs the libraries and runs this; `EXPD_SOAK_SECONDS` says for how long.
//! The same programs find the daemon's default socket.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod socket;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use expd_client::Position;
use expd_domain::Channel;
use expd_test_support::eventually_within;
use expd_test_support::judge::Book;
use expd_test_support::network::Network;
use expd_test_support::process::{Daemon, Home, program};
use expd_test_support::soak::{Line, Run, Said, judge};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, timeout};
use tokio_util::sync::CancellationToken;

const CHANNEL: &str = "soak";

/// Pause between two broadcasts.
const BEAT: Duration = Duration::from_millis(20);

/// Broadcasts that every program hears between two faults.
const CALM: u64 = 75;

/// Limit of the time in which every program hears again after a fault.
const RECOVERY: Duration = Duration::from_secs(60);

/// Programs of the languages that are installed, each with what starts it.
fn programs() -> Vec<(&'static str, Vec<PathBuf>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let given = |name: &str, language: &str| {
        let path = std::env::var_os(name).map(PathBuf::from);
        if path.is_none() {
            eprintln!("SKIPPED: soak: {name} is not set: no program in {language}");
        }
        path
    };
    let mut programs = Vec::new();
    if let Some(rust) = given("EXPD_SOAK_RUST", "Rust") {
        programs.push(("Rust", vec![rust]));
    }
    if let Some(python) = given("EXPD_SOAK_PYTHON", "Python") {
        programs.push(("Python", vec![python, root.join("tests/soak/listen.py")]));
    }
    if let Some(folder) = given("EXPD_SOAK_NODE", "Node") {
        // It takes the package that is installed in its folder.
        programs.push(("Node", vec!["node".into(), folder.join("listen.mjs")]));
    }
    programs
}

/// A program, over all its runs.
struct App {
    language: &'static str,
    command: Vec<PathBuf>,
    socket: PathBuf,
    child: Child,
    reading: JoinSet<()>,
    lines: Arc<Mutex<Vec<Line>>>,
    runs: Vec<Run>,
}

impl App {
    fn start(language: &'static str, command: Vec<PathBuf>, socket: PathBuf) -> Self {
        let lines = Arc::default();
        let (child, reading) = spawn(language, &command, &socket, None, &lines);
        Self {
            language,
            command,
            socket,
            child,
            reading,
            lines,
            runs: Vec::new(),
        }
    }

    /// Ends it with a signal, and keeps what it said. SIGTERM lets it end by itself, with success.
    async fn end(&mut self, signal: &str) {
        let pid = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(sent.unwrap().success());
        let status = timeout(RECOVERY, self.child.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("{} goes on after {signal}", self.language));
        let status = status.unwrap();
        assert!(
            signal == "KILL" || status.success(),
            "{}: {status}",
            self.language
        );
        while let Some(read) = self.reading.join_next().await {
            read.unwrap();
        }
        let lines = std::mem::take(&mut *self.lines.lock().unwrap());
        self.runs.push(Run { lines });
    }

    /// Starts it again, to go on where the last run ended.
    fn start_again(&mut self) {
        let resume = self.runs.last().and_then(Run::position);
        let (language, command) = (self.language, &self.command);
        let (child, reading) = spawn(language, command, &self.socket, resume, &self.lines);
        self.child = child;
        self.reading = reading;
    }

    fn last_heard(&self) -> Option<u64> {
        let lines = self.lines.lock().unwrap();
        lines.iter().rev().find_map(|line| match line.said {
            Said::Heard(number, _) => Some(number),
            Said::Ready | Said::Gap(..) => None,
        })
    }

    /// Waits until it hears what is sent from now on, and for a while.
    async fn hears(&mut self, book: &Book, after: &str) {
        let mark = book.sent().len() as u64 + CALM;
        let what = format!("{} hears {mark} after {after}", self.language);
        eventually_within(RECOVERY, &what, async || {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("{} ended by itself after {after}: {status}", self.language);
            }
            let seen = self.last_heard();
            let hears = seen.is_some_and(|last| last >= mark);
            hears.then_some(()).ok_or_else(|| format!("{seen:?}"))
        })
        .await;
    }
}

/// Starts a program, and reads what it says.
fn spawn(
    language: &'static str,
    command: &[PathBuf],
    socket: &Path,
    resume: Option<&Position>,
    lines: &Arc<Mutex<Vec<Line>>>,
) -> (Child, JoinSet<()>) {
    let mut started = Command::new(&command[0]);
    started.args(&command[1..]).arg(socket).arg(CHANNEL);
    if let Some(Position { log_id, after }) = resume {
        started.arg(log_id).arg(after.to_string());
    }
    if let Some(folder) = command.last().and_then(|last| last.parent()) {
        started.current_dir(folder);
    }
    started.stdout(Stdio::piped()).stdin(Stdio::null());
    let mut child = tokio::process::Command::from(started)
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{language}: {command:?}: {error}"));
    let output: ChildStdout = child.stdout.take().unwrap();
    let mut reading = JoinSet::new();
    let lines = lines.clone();
    reading.spawn(async move {
        let (mut output, mut line) = (BufReader::new(output), String::new());
        // A program that is killed may leave half a line.
        while output.read_line(&mut line).await.unwrap() > 0 && line.ends_with('\n') {
            let said = Said::parse(&line).unwrap_or_else(|why| panic!("{language}: {why}"));
            let at = SystemTime::now();
            lines.lock().unwrap().push(Line { at, said });
            line.clear();
        }
    });
    (child, reading)
}

fn daemon(home: &Home) -> Daemon {
    let mut command = Command::new(program());
    command
        .args(["serve", "--config"])
        .arg(home.config())
        .arg("--socket")
        .arg(home.socket())
        .env_remove("EXPD_SOCKET")
        .env_remove("NOTIFY_SOCKET")
        .env_remove("JOURNAL_STREAM");
    let mut daemon = Daemon::spawn(&mut command);
    daemon.said("serving on");
    daemon
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_missing_that_was_not_told_whatever_restarts() {
    let seconds = std::env::var("EXPD_SOAK_SECONDS").ok();
    let seconds = seconds.map_or(25, |seconds| seconds.parse().unwrap());
    let programs = programs();
    if programs.is_empty() {
        eprintln!("SKIPPED: soak: no language; tests/soak/run installs them");
        return;
    }
    let mut network = Network::start(Duration::from_secs(3600)).await;
    let home = Home::new("");
    let settings = format!(
        "[daemon]\nstate_dir = \"{}\"\n[instances.default]\nhost = \"{}\"\n[instances.default.credentials]\ntype = \"device\"\nuuid = \"daemon\"\nsecret = \"the secret of daemon\"\n",
        home.folder.path().join("state").display(),
        network.url(),
    );
    std::fs::write(home.config(), settings).unwrap();
    let mut serving = daemon(&home);
    let started = programs.into_iter();
    let mut apps: Vec<App> = started
        .map(|(language, command)| App::start(language, command, home.socket()))
        .collect();

    let (book, stop) = (Book::default(), CancellationToken::new());
    let mut sending = JoinSet::new();
    let (sender, kept, stopped) = (network.sender(), book.clone(), stop.clone());
    sending.spawn(async move {
        let (mut beat, channel) = (interval(BEAT), Channel::new(CHANNEL));
        while stopped.run_until_cancelled(beat.tick()).await.is_some() {
            kept.send(&sender, &channel, "n").await;
        }
    });
    for app in &mut apps {
        app.hears(&book, "the start").await;
    }

    let (end, mut faults) = (Instant::now() + Duration::from_secs(seconds), 0_usize);
    // Every fault at least once, however short.
    while Instant::now() < end || faults < 6 {
        let signal = if faults % 2 == 0 { "TERM" } else { "KILL" };
        let fault = match faults % 6 {
            0 | 3 => {
                serving.signal(signal);
                serving.ended();
                serving = daemon(&home);
                format!("the daemon's {signal}")
            }
            1 | 4 => {
                if signal == "KILL" {
                    network.kill().await;
                } else {
                    network.stop().await;
                }
                network.start_again().await;
                format!("the network's {signal}")
            }
            _ => {
                for app in &mut apps {
                    app.end(signal).await;
                    app.start_again();
                }
                format!("the programs' {signal}")
            }
        };
        faults += 1;
        for app in &mut apps {
            app.hears(&book, &fault).await;
        }
    }

    stop.cancel();
    while let Some(sent) = sending.join_next().await {
        sent.unwrap();
    }
    // One that comes last, and that everybody hears.
    let (last, _) = book
        .send(&network.sender(), &Channel::new(CHANNEL), "n")
        .await;
    for app in &mut apps {
        let what = format!("{} hears the last ({last})", app.language);
        eventually_within(RECOVERY, &what, async || {
            let seen = app.last_heard();
            (seen == Some(last))
                .then_some(())
                .ok_or_else(|| format!("{seen:?}"))
        })
        .await;
        app.end("TERM").await;
    }
    let sent = book.sent();
    for app in &apps {
        let verdict = judge(&app.runs, &sent);
        let verdict = verdict.unwrap_or_else(|why| panic!("{}: {why}", app.language));
        eprintln!(
            "{}: {} sent, {faults} faults: {verdict:?}",
            app.language,
            sent.len()
        );
    }
}
