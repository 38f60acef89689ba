//! The real daemon as a process, with its settings file, its socket and its log.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::Receiver;
use std::time::Instant;

use tempfile::TempDir;

use crate::{DEADLINE, lines};

/// The program `expd` that cargo built for the root package's tests.
///
/// cargo tells them its path. Other packages find what was built last beside them, so that they run
/// `cargo build` first.
pub fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("CARGO_BIN_EXE_expd") {
        return path.into();
    }
    let here = std::env::current_exe().unwrap();
    // target/PROFILE/deps/TEST
    here.ancestors().nth(2).unwrap().join("expd")
}

/// A folder with settings for one daemon; everybody may pass it.
pub struct Home {
    pub folder: TempDir,
}

impl Home {
    pub fn new(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).unwrap();
        let home = Self { folder };
        home.write(settings);
        home
    }

    /// The settings, on a network with a port of its own.
    pub fn write(&self, settings: &str) {
        let state = self.folder.path().join("state");
        let settings = format!(
            "[hub]\nlisten = \"127.0.0.1:0\"\n[daemon]\nsocket_mode = \"0666\"\nstate_dir = \"{}\"\n{settings}",
            state.display()
        );
        std::fs::write(self.config(), settings).unwrap();
    }

    pub fn config(&self) -> PathBuf {
        self.folder.path().join("expd.toml")
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("expd.sock")
    }

    /// `expd serve --embedded` on the settings, with what `before` has before it.
    pub fn command(&self, before: &[&str]) -> Command {
        let program = program();
        let mut command = match before.split_first() {
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
            None => Command::new(program),
        };
        command
            .args(["serve", "--embedded", "--config"])
            .arg(self.config())
            .env_remove("EXPD_SOCKET")
            .env_remove("NOTIFY_SOCKET")
            .env_remove("JOURNAL_STREAM");
        command
    }

    /// Starts it on the home's socket, and waits until it serves.
    pub fn start(&self) -> Daemon {
        let mut command = self.command(&[]);
        command.arg("--socket").arg(self.socket());
        let mut daemon = Daemon::spawn(&mut command);
        daemon.said("serving on");
        daemon
    }
}

/// A running daemon; it is killed with this.
pub struct Daemon {
    pub child: Child,
    lines: Receiver<String>,
    /// Its lines, and whether a test took them.
    heard: Vec<(String, bool)>,
}

impl Daemon {
    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = lines::read_on(child.stderr.take().unwrap());
        Self {
            child,
            lines,
            heard: Vec::new(),
        }
    }

    /// Waits for a line with this text, or takes one that came already; each line once.
    pub fn said(&mut self, text: &str) -> String {
        self.said_any(&[text]).1
    }

    /// As [`Self::said`], for a line with any of these texts; says with which.
    pub fn said_one_of(&mut self, texts: &[&str]) -> usize {
        self.said_any(texts).0
    }

    /// As [`Self::said_one_of`]; gives the line, too.
    pub fn said_any(&mut self, texts: &[&str]) -> (usize, String) {
        let end = Instant::now() + DEADLINE;
        let mut next = 0;
        loop {
            for (line, taken) in &mut self.heard[next..] {
                let found = texts.iter().position(|text| line.contains(text));
                if let Some(index) = found.filter(|_| !*taken) {
                    *taken = true;
                    return (index, line.clone());
                }
            }
            next = self.heard.len();
            let left = end.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!(
                    "the daemon never said any of {texts:?}, but:\n{}",
                    self.heard()
                );
            };
            self.heard.push((line, false));
        }
    }

    /// Takes every line that came so far.
    pub fn forget(&mut self) {
        let new = self.lines.try_iter().map(|line| (line, true));
        self.heard.extend(new);
        for (_, taken) in &mut self.heard {
            *taken = true;
        }
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end.
    pub fn ended(&mut self) -> ExitStatus {
        // Its log ends with it.
        let end = Instant::now() + DEADLINE;
        while let Ok(line) = self
            .lines
            .recv_timeout(end.saturating_duration_since(Instant::now()))
        {
            self.heard.push((line, false));
        }
        assert!(Instant::now() < end, "it goes on:\n{}", self.heard());
        self.child.wait().unwrap()
    }

    /// All that it said so far.
    pub fn heard(&self) -> String {
        let lines: Vec<&str> = self.heard.iter().map(|(line, _)| &**line).collect();
        lines.join("\n")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            let rest = self.lines.try_iter().map(|line| (line, false));
            self.heard.extend(rest);
            eprintln!("the daemon's log:\n{}", self.heard());
        }
    }
}

/// True where somebody accepts connections.
pub fn accepts(socket: &Path) -> bool {
    UnixStream::connect(socket).is_ok()
}
