//! No file descriptor is left.

use std::os::unix::net::UnixStream;
use std::time::Duration;

use expd_client::Client;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tokio::time::{Instant, sleep};

use crate::house::{House, KNOWN};
use expd_test_support::DEADLINE;
use expd_test_support::network::Network;
use expd_test_support::process::Daemon;
use expd_test_support::traffic::{Traffic, outages};

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

pub async fn are_used_up() {
    let mut network = Network::start(Duration::from_secs(3600)).await;
    let house = House::new(&format!("http://{}", network.address()), KNOWN);
    let mut daemon = house.start(&[]);
    let traffic = Traffic::start(&house.client().await, &network.sender()).await;
    let before = limit(&daemon, Some(open_files(&daemon)));

    let waiting: Vec<UnixStream> = (0..WAITING)
        .map(|_| UnixStream::connect(house.path("expd.sock")).unwrap())
        .collect();
    daemon.said("cannot accept local connections");
    let used = cpu_time(&daemon);
    sleep(WATCHED).await;
    let used = cpu_time(&daemon) - used;
    assert!(
        used < WATCHED.as_secs_f64() * BUSY,
        "it is busy with nothing: {used} s"
    );
    eprintln!("descriptors used up: {used:.2} s of a core in {WATCHED:?}");
    traffic.flows("no descriptors for others", DEADLINE).await;
    assert_eq!(traffic.outages_so_far(), [0; 3]);

    // The connection breaks, those who wait take what that sets free, and none is left for the
    // next.
    network.kill().await;
    network.start_again().await;
    let said = daemon.said("not connected: opening");
    assert!(said.contains("too many open files"), "{said}");
    limit(&daemon, before);
    let took = traffic.flows("descriptors used up", BOUND).await;
    eprintln!(
        "descriptors used up: back {:.1} s after it",
        took.as_secs_f64()
    );
    // Everybody is let in.
    house.client().await.status().await.unwrap();
    drop(waiting);
    for (_, signals) in traffic.end("descriptors used up").await {
        assert_eq!(outages(&signals), Some(1), "{signals:?}");
    }
    daemon.signal("TERM");
    assert!(daemon.ended().success(), "{}", daemon.heard());
    network.stop().await;
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
    let end = Instant::now() + DEADLINE;
    while Client::connect(Some(house.path("expd.sock")))
        .await
        .is_err()
    {
        assert!(Instant::now() < end, "nobody is let in any more");
        sleep(Duration::from_millis(20)).await;
    }
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
