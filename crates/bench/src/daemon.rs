//! The daemon and its network, each in a separate process, for several users.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use expd_test_support::http2::{channel_on, try_connect_as};
use tempfile::TempDir;
use tokio::time::sleep;
use tonic::transport::Channel;

use crate::process::processor_time;
use crate::program;

/// The attacker, with the rights of an app.
pub const ATTACKER: u32 = 60_001;
/// Another app.
pub const VICTIM: u32 = 60_002;
/// A user without any right.
pub const STRANGER: u32 = 65_534;

/// Both processes; they are killed on drop.
pub struct Daemon {
    folder: TempDir,
    hub: Child,
    serve: Child,
}

impl Daemon {
    /// Starts both with default settings.
    pub async fn start() -> Self {
        Self::start_with("").await
    }

    /// Starts both with additional settings.
    pub async fn start_with(more: &str) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let rule = |uid: u32| {
            format!(
                "[[access]]\nuid = {uid}\nallow = [\"listen\", \"broadcast\", \"respond\", \"request\", \"status\"]\n"
            )
        };
        let settings = format!(
            r#"
            [daemon]
            socket = "{folder}/expd.sock"
            socket_mode = "0666"
            state_dir = "{folder}/state"
            log = "error"
            [instances.default]
            host = "http://{address}"
            [instances.default.credentials]
            type = "device"
            uuid = "screen"
            secret = "the screen's secret"
            [hub]
            listen = "{address}"
            [[hub.devices]]
            uuid = "screen"
            secret = "the screen's secret"
            {}{}{}{more}"#,
            rule(ATTACKER),
            rule(VICTIM),
            rule(0),
            folder = folder.path().display(),
        );
        let config = folder.path().join("expd.toml");
        std::fs::write(&config, settings).unwrap();
        std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o600)).unwrap();
        let program = program("bench");
        let start = |what: &str| {
            Command::new(&program)
                .args([what, "--config"])
                .arg(&config)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        };
        let hub = start("hub");
        let serve = start("serve");
        let started = Self { folder, hub, serve };
        while std::os::unix::net::UnixStream::connect(started.socket()).is_err() {
            sleep(Duration::from_millis(20)).await;
        }
        started
    }

    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("expd.sock")
    }

    /// CPU time of the daemon and of its network so far, in seconds.
    #[must_use]
    pub fn processor_time(&self) -> (f64, f64) {
        (
            processor_time(self.serve.id()),
            processor_time(self.hub.id()),
        )
    }

    /// Reads its private (anonymous) memory in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        let status = format!("/proc/{}/status", self.serve.id());
        let status = std::fs::read_to_string(status).expect("the daemon has ended");
        let line = status.lines().find_map(|l| l.strip_prefix("RssAnon:"));
        let digits: String = line.unwrap().chars().filter(char::is_ascii_digit).collect();
        digits.parse::<usize>().unwrap() * 1024
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        for child in [&mut self.serve, &mut self.hub] {
            // It may have ended.
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// A gRPC channel on one connection of a user, if one is accepted.
pub async fn channel(socket: &Path, uid: u32) -> Option<Channel> {
    channel_on(try_connect_as(socket, uid).await.ok()?)
        .await
        .ok()
}
