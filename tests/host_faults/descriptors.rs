//! No file descriptor is left.

use std::os::unix::net::UnixStream;
use std::time::Duration;

use expd_client::Client;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tokio::time::sleep;

use crate::house::{House, KNOWN};
use expd_test_support::network::Network;
use expd_test_support::process::Daemon;
use expd_test_support::traffic::{Traffic, outages};
use expd_test_support::{DEADLINE, eventually};

/// From the end of the fault.
const BOUND: Duration = Duration::from_secs(15);

/// Local programs that wait to be let in.
const WAITING: usize = 10;

/// A second in what Linux tells of processes.
const TICKS: f64 = 100.0;

/// Time for which the daemon is watched, and the most of a core that it may use meanwhile: it
/// carries 60 broadcasts a second.
const WATCHED: Duration = Duration::from_secs(3);
const BUSY: f64 = 0.4;

/// A daemon that has no descriptor left, and programs that wait for one.
struct Exhausted {
    network: Network,
    house: House,
    daemon: Daemon,
    traffic: Traffic,
    /// The limit as it was.
    before: Option<u64>,
    waiting: Vec<UnixStream>,
}

impl Exhausted {
    async fn start() -> Self {
        let network = Network::start(Duration::from_secs(3600)).await;
        let house = House::new(&format!("http://{}", network.address()), KNOWN);
        let mut daemon = house.start(&[]);
        let traffic = Traffic::start(&house.client().await, &network.sender()).await;
        let before = limit(&daemon, Some(open_files(&daemon)));
        let waiting = (0..WAITING)
            .map(|_| UnixStream::connect(house.path("expd.sock")).unwrap())
            .collect();
        daemon.said("cannot accept local connections");
        Self {
            network,
            house,
            daemon,
            traffic,
            before,
            waiting,
        }
    }

    /// Gives it descriptors again, and sees that all is well; `outages_told` is what each listener
    /// heard of it.
    async fn ends(mut self, outages_told: usize) {
        limit(&self.daemon, self.before);
        let took = self.traffic.flows("descriptors used up", BOUND).await;
        eprintln!(
            "descriptors used up: back {:.1} s after it",
            took.as_secs_f64()
        );
        // Everybody is let in.
        self.house.client().await.status().await.unwrap();
        drop(self.waiting);
        for (_, signals) in self.traffic.end("descriptors used up").await {
            assert_eq!(outages(&signals), Some(outages_told), "{signals:?}");
        }
        self.daemon.signal("TERM");
        assert!(self.daemon.ended().success(), "{}", self.daemon.heard());
        self.network.stop().await;
    }
}

pub async fn are_used_up() {
    let exhausted = Exhausted::start().await;
    let used = cpu_time(&exhausted.daemon);
    sleep(WATCHED).await;
    let used = cpu_time(&exhausted.daemon) - used;
    assert!(
        used < WATCHED.as_secs_f64() * BUSY,
        "it is busy with nothing: {used} s"
    );
    eprintln!("descriptors used up: {used:.2} s of a core in {WATCHED:?}");
    let traffic = &exhausted.traffic;
    traffic.flows("no descriptors for others", DEADLINE).await;
    assert_eq!(traffic.outages_so_far(), [0; 3]);
    exhausted.ends(0).await;
}

/// Those who wait take what the broken connection sets free, and none is left for the next.
pub async fn are_used_up_when_the_connection_breaks() {
    let mut exhausted = Exhausted::start().await;
    exhausted.network.kill().await;
    exhausted.network.start_again().await;
    let said = exhausted.daemon.said("not connected: opening");
    assert!(said.contains("too many open files"), "{said}");
    exhausted.ends(1).await;
}

/// A low limit from the start, and local programs that take all they can get: what the connection
/// to EXP needs is not theirs.
pub async fn are_few() {
    let mut network = Network::start(Duration::from_secs(3600)).await;
    let house = House::new(&format!("http://{}", network.address()), KNOWN);
    let mut daemon = house.start(&["prlimit", "--nofile=64:64"]);
    daemon.said("leaves room for 32 local connections");
    let traffic = Traffic::start(&house.client().await, &network.sender()).await;
    for _ in 0..5 {
        house.client().await.status().await.unwrap();
    }
    let greedy: Vec<UnixStream> = (0..100)
        .map(|_| UnixStream::connect(house.path("expd.sock")).unwrap())
        .collect();
    daemon.said("local connections are refused");
    network.kill().await;
    network.start_again().await;
    traffic.stops("the network's restart", DEADLINE).await;
    let took = traffic.flows("few descriptors", BOUND).await;
    eprintln!(
        "few descriptors: back {:.1} s after the network",
        took.as_secs_f64()
    );
    drop(greedy);
    // As soon as the daemon has seen that they are gone.
    eventually("programs are let in again", async || {
        let connected = Client::connect(Some(house.path("expd.sock"))).await;
        connected.map(drop).map_err(|error| error.to_string())
    })
    .await;
    for (_, signals) in traffic.end("few descriptors").await {
        assert_eq!(outages(&signals), Some(1), "{signals:?}");
    }
    daemon.signal("TERM");
    assert!(daemon.ended().success(), "{}", daemon.heard());
    network.stop().await;
}

/// Sets how many files a daemon may have open, and says how many it was before.
fn limit(daemon: &Daemon, most: Option<u64>) -> Option<u64> {
    let pid = Pid::from_raw(daemon.child.id().cast_signed());
    let of_the_parent = rustix::process::getrlimit(Resource::Nofile);
    let new = Rlimit {
        current: most,
        maximum: of_the_parent.maximum,
    };
    prlimit(pid, Resource::Nofile, new).unwrap().current
}

fn open_files(daemon: &Daemon) -> u64 {
    let folder = format!("/proc/{}/fd", daemon.child.id());
    match std::fs::read_dir(&folder) {
        Ok(files) => files.count() as u64,
        // Only root may look into the daemon; since Linux 6.2 the folder's size says how many there
        // are.
        Err(_) => std::fs::metadata(&folder).unwrap().len(),
    }
}

/// Seconds that it has had of a core so far.
fn cpu_time(daemon: &Daemon) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", daemon.child.id())).unwrap();
    // After the name, which is in brackets; the fields are counted from there.
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: u32 = fields[11..13]
        .iter()
        .map(|t| t.parse::<u32>().unwrap())
        .sum();
    f64::from(ticks) / TICKS
}
