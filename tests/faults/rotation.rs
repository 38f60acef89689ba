//! Make before break: tokens change under a live connection, and no app notices.

use std::time::Duration;

use expd::config::ProtocolChoice;
use expd_domain::Channel;
use tokio::task::JoinSet;
use tokio::time::Instant;

use expd_test_support::DEADLINE;
use expd_test_support::daemon::Daemon;
use expd_test_support::network::{Network, Outcome};
use expd_test_support::transcript::{Transcript, numbers, signals, to};

const CHANNELS: usize = 20;

/// Broadcasts a second on each channel; 200 on all.
const RATE: u32 = 10;

/// Lifetime of the network's tokens.
const TOKEN: Duration = Duration::from_secs(5);

/// Duration of the test: `EXPD_ROTATION_SECONDS=120` for the full measure of at least 20 token
/// changes.
fn span() -> Duration {
    let seconds = std::env::var("EXPD_ROTATION_SECONDS").map_or(20, |text| text.parse().unwrap());
    Duration::from_secs(seconds)
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_change_unnoticed_in_generation_3() {
    tokens_change_unnoticed(ProtocolChoice::V3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_change_unnoticed_in_generation_4() {
    tokens_change_unnoticed(ProtocolChoice::V4).await;
}

async fn tokens_change_unnoticed(protocol: ProtocolChoice) {
    let mut network = Network::start(TOKEN).await;
    let mut daemon = Daemon::start(network.address(), protocol);
    let client = daemon.client().await;
    let mut ears = Vec::new();
    for n in 0..CHANNELS {
        let ear = Transcript::open(&client, &to(&format!("channel {n}"))).await;
        ear.until_confirmed().await;
        ears.push(ear);
    }
    let sender = network.sender();
    let until = Instant::now() + span();
    let mut senders = JoinSet::new();
    for n in 0..CHANNELS {
        let sender = sender.clone();
        senders.spawn(async move {
            let channel = Channel::new(format!("channel {n}"));
            let mut beat = tokio::time::interval(Duration::from_secs(1) / RATE);
            let mut count = 0;
            while Instant::now() < until {
                beat.tick().await;
                // The sender's own token ends, too.
                while sender.send(&channel, "tick", count).await != Outcome::Sent {}
                count += 1;
            }
            (n, count)
        });
    }
    let mut total = 0;
    while let Some(sent) = senders.join_next().await {
        let (n, count) = sent.unwrap();
        let all: Vec<u64> = (0..count).collect();
        total += count;
        let ear = &ears[n];
        ear.until("the last broadcast", DEADLINE, |heard| {
            numbers(heard).last() == all.last()
        })
        .await;
        let heard = ear.heard();
        assert_eq!(numbers(&heard), all, "channel {n}");
        let signals = signals(&heard);
        assert!(
            signals == ["Pending", "Confirmed"] || signals == ["Confirmed"],
            "channel {n}: {signals:?}; {:?}",
            daemon.status().await.instances[0].counters
        );
    }
    let status = daemon.status().await;
    let counters = &status.instances[0].counters;
    eprintln!(
        "{protocol:?}: {total} broadcasts, {} connections, {} duplicates dropped",
        counters.connects, counters.duplicates
    );
    let changes = span().as_secs() / 5;
    assert!(counters.connects > changes, "{counters:?}");
    assert_eq!(counters.disconnects, 0, "{counters:?}");
    daemon.stop().await;
    network.stop().await;
}
