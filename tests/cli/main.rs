//! The command line, as a shell sees it: the real binary, its output and its exit status.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod alone;
mod calls;
mod listen;
mod operations;
mod usage;

use std::io::Write as _;
use std::process::{Child, Command, Output, Stdio};

use expd_test_support::lines::Lines;
use expd_test_support::process::{Daemon, Home, program};
use serde_json::Value;

fn expd() -> Command {
    let mut command = Command::new(program());
    command.env_remove("EXPD_SOCKET").stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    expd().args(arguments).output().unwrap()
}

/// Output of a command that reads `input` from its standard input.
fn fed(command: &mut Command, input: &str) -> Output {
    command.stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// A daemon with its network, for client commands.
struct Served {
    daemon: Daemon,
    home: Home,
}

impl Served {
    fn start() -> Self {
        let home = Home::new("");
        Self {
            daemon: home.start(),
            home,
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = expd();
        command.args(arguments).arg("--socket");
        command.arg(self.home.socket());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn spawn(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    fn stop(mut self) {
        self.daemon.signal("TERM");
        assert!(self.daemon.ended().success(), "{}", self.daemon.heard());
    }
}

/// The next document that has this key.
fn next_with(documents: &mut Lines, key: &str) -> Value {
    loop {
        let document: Value = serde_json::from_str(&documents.line()).unwrap();
        if let Some(value) = document.get(key) {
            return value.clone();
        }
    }
}

/// A process that ends with the test.
struct Background(Child);

impl Drop for Background {
    fn drop(&mut self) {
        // It may have ended already.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Settings of a device whose network is at `host`.
fn device_at(host: &str) -> String {
    format!(
        "[instances.default]\nhost = \"{host}\"\n[instances.default.credentials]\n\
         type = \"device\"\nuuid = \"u\"\nsecret = \"s\"\n"
    )
}

/// An address on which nobody listens.
fn nobody() -> String {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", port.local_addr().unwrap())
}

/// Its standard error, line by line.
fn lines_of(child: &mut Child) -> Lines {
    Lines::of(child.stderr.take().unwrap())
}
