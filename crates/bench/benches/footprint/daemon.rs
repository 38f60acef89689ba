//! The measured processes: a network and the daemon, and the kernel's counts for it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use expd_test_support::DEADLINE;
use serde::Serialize;
use tempfile::TempDir;

/// The program as shipped, or the one that `EXPD_BINARY` names; built once.
pub fn program() -> &'static Path {
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| expd_bench::program("dist"));
    &PROGRAM
}

/// The daemon's credentials, as settings.
const CREDENTIALS: &str = "[instances.default.credentials]\ntype = \"device\"\nuuid = \"kiosk\"\nsecret = \"footprint\"\n";

/// Settings of a network with these credentials, and with this lifetime of tokens.
fn hub(token_seconds: u32) -> String {
    format!(
        "[hub]\nlisten = \"127.0.0.1:0\"\ntoken_ttl = \"{token_seconds}s\"\n\
         [[hub.devices]]\nuuid = \"kiosk\"\nsecret = \"footprint\"\n"
    )
}

/// A folder with settings.
pub struct Home {
    folder: TempDir,
    /// Starts the daemon with `--embedded`, on its own network.
    embedded: bool,
}

impl Home {
    /// The home of a daemon on this network.
    pub fn new(url: &str, ca_file: Option<&Path>) -> Self {
        let home = Self::empty();
        let ca_file = ca_file.map(|path| format!("ca_file = \"{}\"\n", path.display()));
        home.write(&format!(
            "[instances.default]\nhost = \"{url}\"\n{}{CREDENTIALS}",
            ca_file.unwrap_or_default()
        ));
        home
    }

    /// The home of a daemon with an embedded network, with this lifetime of tokens.
    pub fn embedded(token_seconds: u32) -> Self {
        let mut home = Self::empty();
        home.embedded = true;
        home.write(&format!(
            "{}[instances.default]\nhost = \"http://127.0.0.1:0\"\n{CREDENTIALS}",
            hub(token_seconds)
        ));
        home
    }

    fn empty() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            embedded: false,
        }
    }

    fn write(&self, settings: &str) {
        fs::write(self.config(), settings).unwrap();
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("expd.toml")
    }

    /// The daemon's socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("expd.sock")
    }

    fn command(&self, subcommand: &str) -> Command {
        self.running(Command::new(program()), subcommand)
    }

    /// `command` is the program, or a wrapper around it.
    fn running(&self, mut command: Command, subcommand: &str) -> Command {
        command
            .arg(subcommand)
            .arg("--config")
            .arg(self.config())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // As a service manager starts it. The last two variables name the authorities as well,
        // which would be read twice.
        for name in [
            "EXPD_SOCKET",
            "NOTIFY_SOCKET",
            "JOURNAL_STREAM",
            "SSL_CERT_FILE",
            "SSL_CERT_DIR",
        ] {
            command.env_remove(name);
        }
        command
    }
}

/// `expd hub`, in a separate process.
pub struct HubProcess {
    port: u16,
    _process: Ended,
    _home: Home,
}

impl HubProcess {
    /// Starts the network, with this lifetime of tokens.
    pub fn start(token_seconds: u32) -> Self {
        let home = Home::empty();
        home.write(&hub(token_seconds));
        let mut child = home.command("hub").stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, rest) = line.split_once("http://127.0.0.1:")?;
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok()
        });
        // It ends with the process whose output it reads.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            port: port.expect("the hub says where it listens"),
            _process: Ended(child),
            _home: home,
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// Memory of a process.
#[derive(Clone, Debug, Serialize)]
pub struct Memory {
    pub rss_kib: u64,
    /// Proportional set size (PSS).
    pub pss_kib: u64,
    /// Private memory: heap, stacks, and modified file pages.
    pub private_kib: u64,
    /// File pages of the binary and the system's libraries.
    pub file_kib: u64,
}

/// Wakeups and CPU time of a process so far.
#[derive(Clone, Copy)]
pub struct Spent {
    pub wakeups: u64,
    pub cpu: Duration,
}

/// `expd serve`.
pub struct Daemon(Ended);

impl Daemon {
    /// Starts the daemon, and waits until it is ready, which needs no other process.
    pub fn start(home: &Home) -> Self {
        Self::start_and_time(home).0
    }

    /// Measures the time from the start of the process until it is ready.
    pub fn time_to_ready(home: &Home) -> Duration {
        Self::start_and_time(home).1
    }

    fn start_and_time(home: &Home) -> (Self, Duration) {
        Self::start_as(home, home.command("serve"))
    }

    fn start_as(home: &Home, mut command: Command) -> (Self, Duration) {
        let path = home.folder.path().join("notify");
        fs::remove_file(&path).ok();
        let manager = UnixDatagram::bind(&path).unwrap();
        manager.set_read_timeout(Some(DEADLINE)).unwrap();
        command
            .args(home.embedded.then_some("--embedded"))
            .arg("--socket")
            .arg(home.socket())
            .env("NOTIFY_SOCKET", &path);
        let started = Instant::now();
        let daemon = Self(Ended(command.spawn().unwrap()));
        let mut message = [0; 4096];
        loop {
            let length = manager
                .recv(&mut message)
                .expect("the daemon never became ready");
            if message[..length].starts_with(b"READY=1") {
                return (daemon, started.elapsed());
            }
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        Path::new("/proc")
            .join(self.0.0.id().to_string())
            .join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name))
            .unwrap_or_else(|e| panic!("{name}: {e}; expd's memory is its own: run this as root"))
    }

    pub fn memory(&self) -> Memory {
        let status = self.read("status");
        Memory {
            rss_kib: field(&status, "VmRSS:"),
            pss_kib: field(&self.read("smaps_rollup"), "Pss:"),
            private_kib: field(&status, "RssAnon:"),
            file_kib: field(&status, "RssFile:"),
        }
    }

    /// Resets the peak.
    pub fn forget_peak(&self) {
        fs::write(self.file("clear_refs"), "5").unwrap();
    }

    pub fn peak_kib(&self) -> u64 {
        field(&self.read("status"), "VmHWM:")
    }

    pub fn spent(&self) -> Spent {
        let mut spent = Spent {
            wakeups: 0,
            cpu: Duration::ZERO,
        };
        for task in fs::read_dir(self.file("task")).unwrap() {
            let task = task.unwrap().path();
            // A thread may have ended since it was listed.
            let Ok(status) = fs::read_to_string(task.join("status")) else {
                continue;
            };
            spent.wakeups += field(&status, "voluntary_ctxt_switches:");
            let scheduled = fs::read_to_string(task.join("schedstat")).unwrap_or_default();
            let nanoseconds = scheduled.split(' ').next().and_then(|n| n.parse().ok());
            spent.cpu += Duration::from_nanos(nanoseconds.unwrap_or_default());
        }
        spent
    }
}

fn field(text: &str, name: &str) -> u64 {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// A process that is killed on drop.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // Either fails only if it has already ended.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
