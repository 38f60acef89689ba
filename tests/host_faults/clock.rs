//! The wall clock jumps by a day: forward, back, and back again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use expd_client::Event;
use expd_domain::{Channel, Payload};
use tokio::time::{Instant, sleep};

use crate::house::{House, KNOWN};
use crate::machine::library;
use expd_test_support::network::Network;
use expd_test_support::traffic::Traffic;
use expd_test_support::{DEADLINE, eventually_within};

pub const LIBRARY: &str = "libfaketimeMT.so.1";

/// From the end of what broke the connection; a jump alone breaks nothing.
const BOUND: Duration = Duration::from_secs(10);

/// The same after the network was away for as long as a token lives.
const LOGIN_BOUND: Duration = Duration::from_secs(20);

/// Tries come at least so often, whatever is wrong with the network.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

const TOKEN: Duration = Duration::from_secs(8);

/// The wall clock of one process.
pub struct Clock(PathBuf);

impl Clock {
    pub fn new(file: PathBuf) -> Self {
        let clock = Self(file);
        clock.set("+0d");
        clock
    }

    /// By how much it is off, as faketime writes it.
    pub fn set(&self, offset: &str) {
        // In one step: it is read at every look at the clock.
        let fresh = self.0.with_extension("new");
        std::fs::write(&fresh, offset).unwrap();
        std::fs::rename(&fresh, &self.0).unwrap();
    }

    /// Prefix of a command that is to live by this clock. The monotonic clock, which cannot jump,
    /// stays the real one.
    pub fn enter(&self, library: &Path) -> Vec<String> {
        vec![
            "env".to_owned(),
            format!("LD_PRELOAD={}", library.display()),
            format!("FAKETIME_TIMESTAMP_FILE={}", self.0.display()),
            "FAKETIME_NO_CACHE=1".to_owned(),
            "FAKETIME_DONT_FAKE_MONOTONIC=1".to_owned(),
        ]
    }
}

/// An app that obeys its hint is not to wait for a day.
async fn says_when_to_come_back(house: &House, clock: &Clock) {
    let client = house.client().await;
    for offset in ["-1d", "+1d"] {
        clock.set(offset);
        let channel = Channel::new("a");
        let refused = client
            .broadcast("", &channel, "tick", &Payload::null(), None)
            .await;
        let wait = refused.unwrap_err().retry_after();
        assert!(
            wait.is_some_and(|wait| wait < LONGEST_WAIT),
            "{offset}: {wait:?}"
        );
    }
}

pub async fn jumps() {
    let mut network = Network::start(TOKEN).await;
    let house = House::new(&format!("http://{}", network.address()), KNOWN);
    let clock = Clock::new(house.path("clock"));
    let library = library(LIBRARY).unwrap();
    let before = clock.enter(&library);
    let before: Vec<&str> = before.iter().map(String::as_str).collect();
    let mut daemon = house.start(&before);
    let traffic = Traffic::start(&house.client().await, &network.sender()).await;
    let mut cuts = 0;
    for offset in ["+1d", "-1d", "+0d"] {
        let jump = format!("a clock at {offset}");
        let started = house.counters().await;
        clock.set(offset);
        // Two changes of the token: the daemon neither storms the login nor stops renewing.
        let began = Instant::now();
        let what = format!("{jump}: it renews its token twice");
        eventually_within(TOKEN * 2, &what, async || {
            let now = house.counters().await;
            let renewed =
                now.refreshes >= started.refreshes + 2 && now.connects >= started.connects + 2;
            renewed.then_some(()).ok_or_else(|| format!("{now:?}"))
        })
        .await;
        traffic.flows(&jump, BOUND).await;
        assert_eq!(traffic.outages_so_far(), [cuts; 3], "{jump}");
        let now = house.counters().await;
        let logins = now.logins - started.logins;
        let refreshes = now.refreshes - started.refreshes;
        assert_eq!((logins, refreshes), (0, 2), "{jump}");
        eprintln!(
            "{jump}: two changes of the token in {:.1} s",
            began.elapsed().as_secs_f64()
        );

        // A connection that is made with a token from before a jump is replaced in peace, too.
        let other = if offset == "+1d" { "-1d" } else { "+1d" };
        clock.set(other);
        network.kill().await;
        network.start_again().await;
        let took = traffic
            .flows(&format!("{jump}, then {other} and a cut"), BOUND)
            .await;
        eprintln!(
            "{jump}, then {other} and a cut: back {:.1} s after it",
            took.as_secs_f64()
        );
        cuts += 1;
        assert_eq!(traffic.outages_so_far(), [cuts; 3], "{jump}, {other}");
    }
    // The token ends while the network is away, so that the daemon has to log in by a wrong clock.
    let started = house.counters().await;
    network.kill().await;
    traffic.stops("the network's end", DEADLINE).await;
    says_when_to_come_back(&house, &clock).await;
    sleep(TOKEN).await;
    network.start_again().await;
    let took = traffic.flows("a login by a wrong clock", LOGIN_BOUND).await;
    eprintln!(
        "a login by a wrong clock: back {:.1} s after the network",
        took.as_secs_f64()
    );
    let logins = house.counters().await.logins - started.logins;
    assert!((1..=8).contains(&logins), "{logins} logins");
    assert_eq!(traffic.outages_so_far(), [cuts + 1; 3]);
    // What was lost is told by the daemon's clock, and never for too short a time.
    for (ear, _) in &traffic.ears {
        assert_eq!(*ear.ended.lock().unwrap(), None);
        let heard = ear.heard();
        for pair in heard.windows(2) {
            if let Event::Gap(gap) = &pair[1].event.event {
                let told = gap.to.unwrap().0.duration_since(gap.from.unwrap().0);
                let passed = pair[1].at.duration_since(pair[0].at).unwrap();
                assert!(
                    told.as_ref().is_ok_and(|told| *told >= passed),
                    "{gap:?}, {passed:?}"
                );
            }
        }
    }
    daemon.signal("TERM");
    assert!(daemon.ended().success(), "{}", daemon.heard());
    network.stop().await;
}
