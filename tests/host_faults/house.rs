//! The real daemon as a process, logged in to a network of the test's.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use expd_client::{Client, Counters, LinkState};
use tempfile::TempDir;

use expd_test_support::eventually_within;
use expd_test_support::process::{Daemon, program};

/// The credentials of a device that every [`expd_test_support::network::Network`] knows.
pub const KNOWN: &str = "uuid = \"daemon\"\nsecret = \"the secret of daemon\"\n";

/// A folder with the settings, the socket and the state of one daemon.
pub struct House {
    folder: TempDir,
}

impl House {
    /// For a daemon that reaches its network at `host`, with these credentials.
    pub fn new(host: &str, credentials: &str) -> Self {
        let house = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let settings = format!(
            "[daemon]\nstate_dir = \"{}\"\n[instances.default]\nhost = \"{host}\"\n\
             [instances.default.credentials]\ntype = \"device\"\n{credentials}",
            house.state().display()
        );
        std::fs::write(house.folder.path().join("expd.toml"), settings).unwrap();
        house
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// `expd serve`, with what `before` has before it.
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
            .args(["serve", "--config"])
            .arg(self.path("expd.toml"))
            .arg("--socket")
            .arg(self.path("expd.sock"))
            .env_remove("EXPD_SOCKET")
            .env_remove("NOTIFY_SOCKET")
            .env_remove("JOURNAL_STREAM");
        for proxy in ["http_proxy", "https_proxy", "all_proxy"] {
            command.env_remove(proxy);
            command.env_remove(proxy.to_uppercase());
        }
        command
    }

    /// Starts it, with what `before` has before it, and waits until it serves.
    pub fn start(&self, before: &[&str]) -> Daemon {
        let mut daemon = Daemon::spawn(self.command(before).env("EXPD__DAEMON__LOG", "debug"));
        daemon.said("serving on");
        daemon
    }

    pub async fn client(&self) -> Client {
        Client::connect(Some(self.path("expd.sock"))).await.unwrap()
    }

    pub async fn counters(&self) -> Counters {
        let status = self.client().await.status().await.unwrap();
        status.instances[0].counters.clone()
    }

    /// Waits until its link is in a state.
    pub async fn link_is(&self, wanted: LinkState, within: Duration) {
        let client = self.client().await;
        eventually_within(within, &format!("the link is {wanted:?}"), async || {
            let link = client.status().await.unwrap().instances[0].link.clone();
            let is_so = link.state == wanted;
            is_so.then_some(()).ok_or_else(|| format!("{link:?}"))
        })
        .await;
    }
}
