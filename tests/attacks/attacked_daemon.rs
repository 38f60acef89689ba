//! The daemon as a process, and connections to it from any user.

use std::process::Command;
use std::time::Duration;

use expd_proto::api_client::ApiClient;
use expd_proto::daemon_client::DaemonClient;
use expd_proto::network_client::NetworkClient;
use expd_test_support::http2::{Http2, channel_as, connect_as, http2};
use expd_test_support::process::{Daemon, Home, program};
use expd_test_support::{eventually, in_time};
use tokio::net::UnixStream;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

/// Longest time for which an attack may block others.
pub const STANDSTILL: Duration = Duration::from_secs(2);

/// Users that no rule of these tests knows, or each its own.
pub const STRANGER: u32 = 65_534;
pub const APP: u32 = 60_001;
pub const OTHER_APP: u32 = 60_002;

/// Memory and standstills are measured, so one test of them runs at a time.
pub static ALONE: Mutex<()> = Mutex::const_new(());

/// A daemon on a home's settings, which name their own instances; it serves when this returns.
pub fn daemon_of(home: &Home) -> Daemon {
    let mut command = Command::new(program());
    command
        .args(["serve", "--config"])
        .arg(home.config())
        .arg("--socket")
        .arg(home.socket())
        .env_remove("NOTIFY_SOCKET")
        .env_remove("JOURNAL_STREAM");
    let mut daemon = Daemon::spawn(&mut command);
    daemon.said("serving on");
    daemon
}

/// A daemon with a network of its own, on these settings; it serves when this returns.
pub async fn started(settings: &str) -> (Daemon, Home) {
    let home = Home::new(settings);
    let started = tokio::task::spawn_blocking(move || (home.start(), home));
    started.await.unwrap()
}

/// Reads a process's private (anonymous) memory in bytes.
pub fn private_memory(home: &Home, pid: u32) -> usize {
    let memory = own_memory(&format!("/proc/{pid}/status"));
    memory.unwrap_or_else(|| panic!("{} has ended", home.socket().display()))
}

fn own_memory(status: &str) -> Option<usize> {
    let status = std::fs::read_to_string(status).ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("RssAnon:"))?;
    let digits: String = line.chars().filter(char::is_ascii_digit).collect();
    Some(digits.parse::<usize>().ok()? * 1024)
}

/// These settings, and the rules.
fn with_rules(settings: &str) -> String {
    format!(
        r#"
        {settings}
        [[access]]
        uid = {APP}
        allow = ["listen", "broadcast", "respond", "request", "status"]
        [[access]]
        uid = {OTHER_APP}
        allow = ["listen", "broadcast", "respond", "request", "status"]
        [[access]]
        uid = 0
        allow = ["listen", "broadcast", "respond", "request", "status", "admin"]
        "#
    )
}

/// A daemon under attack, on a network of its own, with rules for two apps; a stranger has none.
pub struct AttackedDaemon {
    pub home: Home,
    pub daemon: Daemon,
}

impl AttackedDaemon {
    /// With these settings besides the rules.
    pub async fn start(settings: &str) -> Self {
        let (daemon, home) = started(&with_rules(settings)).await;
        Self { home, daemon }.logged_in().await
    }

    /// The same with the network elsewhere, so that what is measured is the daemon's alone.
    pub async fn start_apart(settings: &str) -> Self {
        let home = Home::new(&with_rules(settings));
        let started = tokio::task::spawn_blocking(move || (daemon_of(&home), home));
        let (daemon, home) = started.await.unwrap();
        Self { home, daemon }.logged_in().await
    }

    async fn logged_in(self) -> Self {
        let honest = self.api(OTHER_APP).await;
        eventually("it is logged in", async || {
            let told = identity(honest.clone()).await;
            told.map_err(|status| format!("{status:?}"))
        })
        .await;
        self
    }

    pub async fn connect(&self, uid: u32) -> UnixStream {
        connect_as(&self.home.socket(), uid).await
    }

    pub async fn channel(&self, uid: u32) -> Channel {
        channel_as(&self.home.socket(), uid).await
    }

    pub async fn api(&self, uid: u32) -> ApiClient<Channel> {
        ApiClient::new(self.channel(uid).await)
    }

    pub async fn network(&self, uid: u32) -> NetworkClient<Channel> {
        NetworkClient::new(self.channel(uid).await).max_decoding_message_size(64 << 20)
    }

    /// HTTP/2 of a user, a frame at a time; its connection runs in a task of its own.
    pub async fn http2(&self, uid: u32, builder: &h2::client::Builder) -> Http2 {
        let client = self.try_http2(uid, builder).await;
        client.unwrap()
    }

    /// The same where the user may have no connection more.
    pub async fn try_http2(
        &self,
        uid: u32,
        builder: &h2::client::Builder,
    ) -> Result<Http2, h2::Error> {
        http2(self.connect(uid).await, builder).await
    }

    /// The daemon's own memory.
    pub fn memory(&self) -> usize {
        private_memory(&self.home, self.daemon.child.id())
    }

    /// Reads the daemon's own memory, now and later.
    pub fn memory_reader(&self) -> impl Fn() -> usize + Send + use<> {
        let status = format!("/proc/{}/status", self.daemon.child.id());
        move || own_memory(&status).unwrap_or_default()
    }

    /// Asks for the identity as another app, again and again, until it is stopped.
    pub async fn watch(&self) -> Watch {
        let honest = self.api(OTHER_APP).await;
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let mut longest = JoinSet::new();
        longest.spawn(async move {
            let mut longest = Duration::ZERO;
            while !stopped.is_cancelled() {
                let start = Instant::now();
                identity(honest.clone()).await.unwrap();
                longest = longest.max(start.elapsed());
                sleep(Duration::from_millis(5)).await;
            }
            longest
        });
        Watch { stop, longest }
    }

    /// A call of root's, on a connection of its own.
    pub async fn root_gets_in(&self) {
        let mut daemon = DaemonClient::new(self.channel(0).await);
        let status = daemon.get_status(expd_proto::GetStatusRequest::default());
        in_time("the status", status).await.unwrap();
    }
}

/// An honest app that goes on asking.
pub struct Watch {
    stop: CancellationToken,
    longest: JoinSet<Duration>,
}

impl Watch {
    /// Ends it; nothing stood still for it.
    pub async fn ends_well(mut self) {
        self.stop.cancel();
        let longest = self.longest.join_next().await.unwrap().unwrap();
        eprintln!("another app's longest call took {longest:?}");
        assert!(
            longest < STANDSTILL,
            "another app stood still for {longest:?}"
        );
    }
}

pub async fn identity(mut api: ApiClient<Channel>) -> Result<(), tonic::Status> {
    let request = expd_proto::GetIdentityRequest::default();
    api.get_identity(request).await.map(drop)
}

/// The status of an answer that is a refusal.
pub async fn refusal(response: h2::client::ResponseFuture) -> (tonic::Code, String) {
    let response = in_time("an answer", response).await.unwrap();
    let status = tonic::Status::from_header_map(response.headers());
    let status = status.expect("the answer is no refusal");
    (status.code(), status.message().to_owned())
}
