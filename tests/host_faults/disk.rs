//! The disk under the state folder is full, or the one under the log.

use std::io::{ErrorKind, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use expd_client::LinkState;
use expd_hub::operator;
use tokio::time::Instant;

use crate::house::House;
use expd_test_support::network::{Network, operator_key};
use expd_test_support::process::{Daemon, accepts};
use expd_test_support::traffic::{Traffic, outages};
use expd_test_support::{DEADLINE, until};

/// From the end of the fault until what was to be stored is stored.
const BOUND: Duration = Duration::from_secs(15);

const KEY: &str = "default.credentials.json";

/// Mounts a small disk of the process's own on the folder that comes first, as the options say, and
/// runs the rest.
fn on_a_disk<'a>(script: &'a str, state: &'a Path) -> [&'a str; 6] {
    let state = state.to_str().unwrap();
    ["unshare", "--mount", "sh", "-c", script, state]
}

/// The state folder as a daemon sees it.
fn seen_by(daemon: &Daemon, state: &Path) -> PathBuf {
    let root = format!("/proc/{}/root", daemon.child.id());
    Path::new(&root).join(state.strip_prefix("/").unwrap())
}

/// Writes until nothing more fits.
fn fill(file: &Path) {
    let mut file = std::fs::File::create(file).unwrap();
    loop {
        match file.write(&[0; 512]) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::StorageFull => return,
            Err(error) => panic!("{error}"),
        }
    }
}

pub async fn is_full() {
    let mut network = Network::start(Duration::from_secs(3600)).await;
    let url = format!("http://{}", network.address());
    let house = House::new(&url, "allow_pairing = true\n");
    let state = house.state();
    std::fs::create_dir(&state).unwrap();
    let script = r#"mount -t tmpfs -o size=64k,mode=0700 none "$0" && exec "$@""#;
    let mut daemon = house.start(&on_a_disk(script, &state));
    let disk = seen_by(&daemon, &state);
    house.link_is(LinkState::Pairing, DEADLINE).await;
    let client = house.client().await;
    let code = client.identity("").await.unwrap().pairing_code.unwrap();

    // It is paired all the same, says what is wrong, and serves.
    fill(&disk.join("ballast"));
    let paired = operator::pair(&url, Some(&operator_key()), &code)
        .await
        .unwrap();
    let said = daemon.said("free some space on its disk");
    assert!(said.contains(KEY), "{said}");
    house.link_is(LinkState::Online, DEADLINE).await;
    let traffic = Traffic::start(&client, &network.sender()).await;
    daemon.signal("HUP");
    daemon.said("settings reloaded");

    std::fs::remove_file(disk.join("ballast")).unwrap();
    let freed = Instant::now();
    daemon.said("credentials on disk are up to date again");
    let took = freed.elapsed();
    assert!(took < BOUND, "{took:?}");
    eprintln!("a full disk: stored {:.1} s after it", took.as_secs_f64());
    for (sum, signals) in traffic.end("a full disk").await {
        assert_eq!((sum.missed, outages(&signals)), (0, Some(0)), "{signals:?}");
    }
    // What is stored is whole: a daemon that has nothing else logs in with it.
    std::fs::copy(disk.join(KEY), state.join(KEY)).unwrap();
    daemon.signal("TERM");
    assert!(daemon.ended().success(), "{}", daemon.heard());
    let mut daemon = house.start(&[]);
    daemon.said(&format!("logged in as device {}", paired.uuid));
    daemon.signal("TERM");
    assert!(daemon.ended().success(), "{}", daemon.heard());
    network.stop().await;
}

/// A pairing that could not be stored is not lost by a stop.
pub async fn is_full_when_it_stops() {
    let mut network = Network::start(Duration::from_secs(3600)).await;
    let url = format!("http://{}", network.address());
    let house = House::new(&url, "allow_pairing = true\n");
    let state = house.state();
    std::fs::create_dir(&state).unwrap();
    let script = r#"mount -t tmpfs -o size=64k,mode=0700 none "$0" && exec "$@""#;
    let mut daemon = house.start(&on_a_disk(script, &state));
    let disk = seen_by(&daemon, &state);
    house.link_is(LinkState::Pairing, DEADLINE).await;
    let client = house.client().await;
    let code = client.identity("").await.unwrap().pairing_code.unwrap();
    fill(&disk.join("ballast"));
    operator::pair(&url, Some(&operator_key()), &code)
        .await
        .unwrap();
    daemon.said("free some space on its disk");
    house.link_is(LinkState::Online, DEADLINE).await;
    let status = client.status().await.unwrap();
    let unsaved = status.instances[0].unsaved_credentials.clone().unwrap();
    assert!(unsaved.contains("free some space on its disk"), "{unsaved}");

    // The disk outlives the daemon with this.
    let held = std::fs::File::open(&disk).unwrap();
    daemon.signal("TERM");
    daemon.said("the stop waits up to 60 s");
    std::fs::remove_file(disk.join("ballast")).unwrap();
    daemon.said("credentials on disk are up to date again");
    assert!(daemon.ended().success(), "{}", daemon.heard());
    let held = format!("/proc/self/fd/{}", held.as_raw_fd());
    assert!(Path::new(&held).join(KEY).exists());
    network.stop().await;
}

pub async fn is_full_at_the_start() {
    // Two things fit: the folder itself and the key.
    let full = "mount -t tmpfs -o nr_inodes=2,mode=0700 none";
    takes_nothing_at_the_start(full, "true", "free some space on its disk").await;
}

pub async fn is_read_only_at_the_start() {
    let empty = "mount -t tmpfs -o mode=0700 none";
    let read_only = "mount -o remount,ro none";
    takes_nothing_at_the_start(empty, read_only, "make daemon.state_dir writable").await;
}

/// A device that is paired needs nothing of the disk. The key lies on it between two commands, each
/// with the folder after it; `word` is what the log says.
async fn takes_nothing_at_the_start(mount: &str, then: &str, word: &str) {
    let mut network = Network::start(Duration::from_secs(3600)).await;
    let url = format!("http://{}", network.address());
    let house = House::new(&url, "allow_pairing = true\n");
    let mut file = std::fs::OpenOptions::new();
    let file = file.create_new(true).write(true).mode(0o600);
    let mut file = file.open(house.path("key")).unwrap();
    file.write_all(br#"{"uuid":"daemon","secret":"the secret of daemon"}"#)
        .unwrap();
    let state = house.state();
    std::fs::create_dir(&state).unwrap();
    let script =
        format!(r#"{mount} "$0" && cp "$0/../key" "$0/{KEY}" && {then} "$0" && exec "$@""#);
    let mut daemon = Daemon::spawn(&mut house.command(&on_a_disk(&script, &state)));
    let said = daemon.said(word);
    assert!(said.contains(KEY), "{said}");
    daemon.said("logged in as device daemon");
    house.link_is(LinkState::Online, DEADLINE).await;
    daemon.signal("TERM");
    assert!(daemon.ended().success(), "{}", daemon.heard());
    network.stop().await;
}

/// The log goes to a file on a disk that is full.
pub async fn takes_no_log() {
    let mut network = Network::start(Duration::from_secs(3600)).await;
    let house = House::new(
        &format!("http://{}", network.address()),
        crate::house::KNOWN,
    );
    let unheard = ["sh", "-c", r#"exec "$@" 2>/dev/full"#, "sh"];
    let mut daemon = Daemon::spawn(&mut house.command(&unheard));
    until("it serves", || accepts(&house.path("expd.sock"))).await;
    let traffic = Traffic::start(&house.client().await, &network.sender()).await;
    daemon.signal("HUP");
    network.kill().await;
    network.start_again().await;
    traffic.stops("the network's restart", DEADLINE).await;
    traffic
        .flows("the network's restart, without a log", DEADLINE)
        .await;
    for (_, signals) in traffic.end("no room for the log").await {
        assert_eq!(outages(&signals), Some(1), "{signals:?}");
    }
    daemon.signal("TERM");
    assert!(daemon.ended().success());
    network.stop().await;
}
