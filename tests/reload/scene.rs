//! A network, the program with its settings, and a listener on each of two instances who hear a
//! broadcast every 20 ms.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use expd_client::{Client, InstanceStatus, Listen, SubscriptionState};
use expd_domain::Channel;
use expd_test_support::judge::{Book, Life, judge};
use expd_test_support::network::{Network, Sender, secret_of};
use expd_test_support::process::{Daemon, program};
use expd_test_support::transcript::{Transcript, numbers, signals, state, to};
use expd_test_support::{DEADLINE, eventually};
use tempfile::TempDir;
use tokio::task::JoinSet;

/// Pause between two broadcasts.
const BEAT: Duration = Duration::from_millis(20);

/// Broadcasts that have to come after a reload for it to count as survived: half a second.
const ENOUGH: u64 = 25;

pub struct Scene {
    pub network: Network,
    pub folder: TempDir,
    pub daemon: Daemon,
    pub left: Transcript,
    pub right: Transcript,
    pub book: Book,
    sending: JoinSet<()>,
}

/// A listener on a channel of an instance.
pub fn on(instance: &str, channel: &str) -> Listen {
    Listen {
        instance: instance.to_owned(),
        ..to(channel)
    }
}

impl Scene {
    /// Everybody is there, and the broadcasts have begun.
    pub async fn start() -> Self {
        let left = |folder: &TempDir, url: &str| device(folder, "left", url, "screen");
        let mut scene = Self::quiet(left).await;
        scene.begin().await;
        scene
    }

    /// The same before anything is broadcast, with this as the left instance.
    pub async fn quiet(left: impl Fn(&TempDir, &str) -> String) -> Self {
        let network = Network::start_for_with(&["screen", "door", "third"], |_| {}).await;
        let folder = tempfile::tempdir().unwrap();
        let url = network.url();
        let settings = left(&folder, &url) + &device(&folder, "right", &url, "door");
        std::fs::write(folder.path().join("expd.toml"), settings).unwrap();
        let mut command = Command::new(program());
        command
            .args(["serve", "--config"])
            .arg(folder.path().join("expd.toml"))
            .arg("--socket")
            .arg(folder.path().join("expd.sock"))
            .env("STATE_DIRECTORY", folder.path().join("state"))
            .env(
                "EXPD__DAEMON__METRICS_SOCKET",
                folder.path().join("metrics.sock"),
            )
            .env_remove("EXPD_SOCKET")
            .env_remove("NOTIFY_SOCKET")
            .env_remove("JOURNAL_STREAM");
        let mut daemon = Daemon::spawn(&mut command);
        daemon.said("serving on");
        let socket = folder.path().join("expd.sock");
        let client = Client::connect(Some(socket)).await.unwrap();
        let left = Transcript::open(&client, &on("left", "menu")).await;
        let right = Transcript::open(&client, &on("right", "menu")).await;
        left.until_confirmed().await;
        right.until_confirmed().await;
        Self {
            network,
            folder,
            daemon,
            left,
            right,
            book: Book::default(),
            sending: JoinSet::new(),
        }
    }

    /// Begins to broadcast.
    pub async fn begin(&mut self) {
        let sender = self.network.sender();
        self.begin_from(sender).await;
        self.both_go_on().await;
    }

    /// Broadcasts come from this sender from now on.
    pub async fn begin_from(&mut self, sender: Sender) {
        self.sending.shutdown().await;
        let book = self.book.clone();
        self.sending.spawn(async move {
            let mut beat = tokio::time::interval(BEAT);
            loop {
                beat.tick().await;
                book.send(&sender, &Channel::new("menu"), "tick").await;
            }
        });
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("expd.sock")
    }

    pub async fn client(&self) -> Client {
        Client::connect(Some(self.socket())).await.unwrap()
    }

    /// The settings as they are at the start.
    pub fn both(&self) -> String {
        both(&self.folder, &self.network.url())
    }

    /// An instance of the settings that logs in as a device of the network.
    pub fn device(&self, name: &str, uuid: &str) -> String {
        device(&self.folder, name, &self.network.url(), uuid)
    }

    pub fn write(&self, settings: &str) {
        std::fs::write(self.folder.path().join("expd.toml"), settings).unwrap();
    }

    /// Reloads these settings, and gives what the log said of it.
    pub fn reload(&mut self, settings: &str) -> String {
        self.write(settings);
        self.daemon.signal("HUP");
        let ends = ["settings reloaded", "reload refused: "];
        self.daemon.said_any(&ends).1
    }

    /// Reloads these settings, and waits until the instance `third` is there, or not.
    pub async fn becomes(&self, settings: &str, has_third: bool) {
        self.write(settings);
        self.daemon.signal("HUP");
        eventually("the reload", async || {
            let third = self.status("third").await;
            let now = format!("{third:?}");
            (third.is_some() == has_third).then_some(()).ok_or(now)
        })
        .await;
    }

    pub async fn status(&self, instance: &str) -> Option<InstanceStatus> {
        let status = self.client().await.status().await.unwrap();
        let mut instances = status.instances.into_iter();
        instances.find(|it| it.instance == instance)
    }

    /// The lines of the metrics that are about an instance.
    pub fn metrics_of(&self, instance: &str) -> Vec<String> {
        let mut stream = UnixStream::connect(self.folder.path().join("metrics.sock")).unwrap();
        let request = "GET /metrics HTTP/1.1\r\nHost: expd.example\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        let label = format!("exp_instance=\"{instance}\"");
        let lines = page.lines().filter(|line| line.contains(&label));
        lines.map(str::to_owned).collect()
    }

    /// Logins, connects and disconnects of an instance.
    pub async fn counters(&self, instance: &str) -> (u64, u64, u64) {
        let counters = self.status(instance).await.unwrap().counters;
        (counters.logins, counters.connects, counters.disconnects)
    }

    /// Waits until what is broadcast from now on comes.
    pub async fn goes_on(&self, ear: &Transcript) {
        let mark = self.book.sent().len() as u64 + ENOUGH;
        ear.until("what is broadcast from now on", DEADLINE, |heard| {
            state(heard) == Some(SubscriptionState::Confirmed)
                && numbers(heard).last().is_some_and(|last| *last >= mark)
        })
        .await;
    }

    pub async fn both_go_on(&self) {
        tokio::join!(self.goes_on(&self.left), self.goes_on(&self.right));
    }

    /// The stream is open, told of nothing, and brought every broadcast once and in order.
    pub fn noticed_nothing(&self, ear: &Transcript) {
        let told = signals(&ear.heard());
        let told: Vec<&str> = told.iter().map(String::as_str).collect();
        let rest = told.strip_prefix(&["Pending"]).unwrap_or(&told);
        assert_eq!(rest, ["Confirmed"]);
        self.lost_nothing_untold(ear);
        in_a_row(&numbers(&ear.heard()));
    }

    /// The stream is open, and brought or told of everything.
    pub fn lost_nothing_untold(&self, ear: &Transcript) {
        assert_eq!(*ear.ended.lock().unwrap(), None);
        let life = Life::of(&ear.heard());
        let judged = judge(None, &[life], &self.book.sent(), None::<SystemTime>);
        judged.unwrap_or_else(|why| panic!("{why}"));
    }
}

/// One after the other, and none left out.
pub fn in_a_row(numbers: &[u64]) {
    for pair in numbers.windows(2) {
        assert_eq!(pair[1], pair[0] + 1, "{numbers:?}");
    }
}

fn both(folder: &TempDir, host: &str) -> String {
    device(folder, "left", host, "screen") + &device(folder, "right", host, "door")
}

/// The left instance as a user, with the password in a file.
pub fn user(folder: &TempDir, host: &str) -> String {
    let file = folder.path().join("password");
    if !file.exists() {
        std::fs::write(&file, "password").unwrap();
    }
    format!(
        "[instances.left]\nhost = \"{host}\"\n[instances.left.credentials]\ntype = \"user\"\nusername = \"ada\"\norganization = \"demo\"\npassword_file = \"{}\"\n",
        file.display()
    )
}

/// An instance that logs in as a device, with its secret in a file.
pub fn device(folder: &TempDir, name: &str, host: &str, uuid: &str) -> String {
    let file = folder.path().join(format!("{name}.{uuid}.secret"));
    if !file.exists() {
        std::fs::write(&file, secret_of(uuid).expose()).unwrap();
    }
    format!(
        "[instances.{name}]\nhost = \"{host}\"\n[instances.{name}.credentials]\ntype = \"device\"\nuuid = \"{uuid}\"\nsecret_file = \"{}\"\n",
        file.display()
    )
}
