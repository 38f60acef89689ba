//! A network in this process, which keeps going; a daemon on it as a process; and somebody who
//! broadcasts numbers.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use expd_client::{Client, LinkState};
use expd_domain::Channel;
use tokio::task::JoinSet;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use expd_test_support::eventually;
use expd_test_support::judge::Book;
use expd_test_support::network::{Network, Outcome};
use expd_test_support::process::{Daemon, Home, program};

pub const CREDENTIALS: &str = "uuid = \"daemon\"\nsecret = \"the secret of daemon\"\n";

pub const CHANNEL: &str = "news";

pub struct Scene {
    pub network: Network,
    pub home: Home,
    pub book: Book,
}

impl Scene {
    /// With these settings of the daemon's besides those that it needs.
    pub async fn new(settings: &str) -> Self {
        Self::of_device(settings, CREDENTIALS).await
    }

    /// With these credentials.
    pub async fn of_device(settings: &str, credentials: &str) -> Self {
        let scene = Self {
            network: Network::start(Duration::from_secs(3600)).await,
            home: Home::new(""),
            book: Book::default(),
        };
        scene.write(settings, credentials);
        scene
    }

    /// Writes the settings anew.
    pub fn write(&self, settings: &str, credentials: &str) {
        let settings = format!(
            "[daemon]\nstate_dir = \"{}\"\n{settings}\n[instances.default]\nhost = \"{}\"\n[instances.default.credentials]\ntype = \"device\"\n{credentials}",
            self.state_dir().display(),
            self.url(),
        );
        std::fs::write(self.home.config(), settings).unwrap();
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.network.address())
    }

    pub fn state_dir(&self) -> PathBuf {
        self.home.folder.path().join("state")
    }

    pub fn socket(&self) -> PathBuf {
        self.home.socket()
    }

    /// Starts the daemon, and waits until it serves.
    pub fn start(&self) -> Daemon {
        let mut command = Command::new(program());
        command
            .args(["serve", "--config"])
            .arg(self.home.config())
            .arg("--socket")
            .arg(self.socket())
            .env_remove("EXPD_SOCKET")
            .env_remove("NOTIFY_SOCKET")
            .env_remove("JOURNAL_STREAM");
        let mut daemon = Daemon::spawn(&mut command);
        daemon.said("serving on");
        daemon
    }

    pub async fn client(&self) -> Client {
        Client::connect(Some(self.socket())).await.unwrap()
    }

    /// A connection to the daemon as any gRPC client has it.
    pub async fn channel(&self) -> tonic::transport::Channel {
        expd_test_support::http2::channel(&self.socket()).await
    }

    pub async fn online(&self) -> Client {
        self.linked(LinkState::Online).await
    }

    pub async fn offline(&self) -> Client {
        self.linked(LinkState::Offline).await
    }

    pub async fn linked(&self, state: LinkState) -> Client {
        let client = self.client().await;
        eventually(&format!("the link is {state:?}"), async || {
            let link = client.status().await.unwrap().instances.remove(0).link;
            let is_so = link.state == state;
            is_so.then_some(()).ok_or_else(|| format!("{link:?}"))
        })
        .await;
        client
    }

    /// Waits until so many broadcasts wait for the connection.
    pub async fn waiting(&self, client: &Client, wanted: u32) {
        eventually(&format!("{wanted} broadcasts wait"), async || {
            let seen = client.status().await.unwrap().instances[0].waiting_broadcasts;
            (seen == wanted)
                .then_some(())
                .ok_or_else(|| format!("{seen} wait"))
        })
        .await;
    }

    /// Sends so many numbers, one after the other, and gives the last.
    pub async fn send(&self, count: u64) -> u64 {
        let (sender, channel) = (self.network.sender(), Channel::new(CHANNEL));
        let mut last = 0;
        for _ in 0..count {
            let (number, outcome) = self.book.send(&sender, &channel, "n").await;
            assert_eq!(outcome, Outcome::Sent);
            last = number;
        }
        last
    }

    /// Sends a number every few milliseconds until the token is cancelled.
    pub fn keep_sending(&self, every: Duration) -> (CancellationToken, JoinSet<()>) {
        let (sender, book) = (self.network.sender(), self.book.clone());
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let mut sending = JoinSet::new();
        sending.spawn(async move {
            let mut clock = interval(every);
            let channel = Channel::new(CHANNEL);
            while stopped.run_until_cancelled(clock.tick()).await.is_some() {
                let (_, outcome) = book.send(&sender, &channel, "n").await;
                assert_eq!(outcome, Outcome::Sent);
            }
        });
        (stop, sending)
    }
}
