//! The truth about subscriptions: what is not confirmed is asked for again for ever, and a
//! connection that looks alive and is not is found and replaced.

mod upstream;

use std::time::Duration;

use expd::config::SocketLibrary;
use expd::router::InstanceId;
use expd::upstream::link::{LinkStatus, LinkTimings};
use expd_domain::Channel;
use tokio::time::Instant;

use crate::script::{DEVICE, Scripted};
use expd_test_support::{DEADLINE, eventually, eventually_within, in_time, until};
use upstream::{Upstream, quick};

const HOME: InstanceId = InstanceId(0);

/// Bound on what [`quick`]'s times promise within 2 s: generous to a busy machine, and less than
/// the probe of the real times would take, behind which a defect could hide.
const PROMPT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn what_is_not_confirmed_is_asked_for_again_for_ever() {
    let network = Scripted::start(Duration::from_secs(3600)).await;
    network.ignore("b", true);
    let upstream = Upstream::start(network.address, quick());
    let mut a = upstream.listen(Channel::new("a")).await;
    let mut b = upstream.listen(Channel::new("b")).await;
    a.until("Confirmed", DEADLINE).await;
    let asks = eventually("it is asked for seven times", async || {
        let asks = network.asks("b");
        if asks.len() < 7 {
            return Err(format!("{asks:?}"));
        }
        Ok(asks)
    })
    .await;
    // 200 ms, doubled up to 1600 ms; a busy machine may take longer, and a little off one wait is
    // on the next.
    let waits = asks.windows(2).map(|pair| pair[1].at - pair[0].at);
    for (wait, least) in waits.zip([150, 300, 600, 1200, 1200, 1200]) {
        assert!(wait >= Duration::from_millis(least), "{wait:?} of {asks:?}");
    }
    network.ignore("b", false);
    b.until("Confirmed", PROMPT).await;
    assert_eq!(b.words, ["Pending", "Confirmed"]);
    assert_eq!(network.connects(), 1);
}

#[tokio::test]
async fn a_late_confirmation_is_waited_for() {
    let network = Scripted::start(Duration::from_secs(3600)).await;
    network.delay(Duration::from_millis(400));
    let upstream = Upstream::start(network.address, quick());
    let mut a = upstream.listen(Channel::new("a")).await;
    a.until("Confirmed", DEADLINE).await;
    network.delay(Duration::ZERO);
    let sent = network.broadcast("a").to_string();
    a.until(&sent, DEADLINE).await;
    assert_eq!(a.words[..2], ["Pending", "Confirmed"]);
    assert_eq!(network.connects(), 1);
}

#[tokio::test]
async fn a_forgotten_channel_is_subscribed_again() {
    let network = Scripted::start(Duration::from_secs(3600)).await;
    let upstream = Upstream::start(network.address, quick());
    let mut a = upstream.listen(Channel::new("a")).await;
    a.until("Confirmed", DEADLINE).await;
    network.forget("a");
    let asked = network.asks("a").len();
    // The next probe asks for it again.
    eventually_within(PROMPT, "it is asked for again", async || {
        let asks = network.asks("a");
        (asks.len() > asked)
            .then_some(())
            .ok_or_else(|| format!("{asks:?}"))
    })
    .await;
    let sent = network.broadcast("a").to_string();
    a.until(&sent, DEADLINE).await;
    assert_eq!(network.connects(), 1);
}

#[tokio::test]
async fn a_channel_that_is_not_confirmed_any_more_is_pending_and_then_told_as_a_gap() {
    let network = Scripted::start(Duration::from_secs(3600)).await;
    let upstream = Upstream::start(network.address, quick());
    let mut a = upstream.listen(Channel::new("a")).await;
    let mut b = upstream.listen(Channel::new("b")).await;
    a.until("Confirmed", DEADLINE).await;
    b.until("Confirmed", DEADLINE).await;
    network.ignore("b", true);
    network.forget("b");
    b.until("Pending", PROMPT).await;
    network.ignore("b", false);
    b.until("Confirmed", PROMPT).await;
    assert_eq!(
        b.words,
        ["Pending", "Confirmed", "Pending", "Offline", "Confirmed"]
    );
    let sent = network.broadcast("a").to_string();
    a.until(&sent, DEADLINE).await;
    // The others did not suffer.
    assert_eq!(a.words, ["Pending", "Confirmed", &sent]);
    assert_eq!(network.connects(), 1);
}

#[tokio::test]
async fn a_peer_that_answers_pings_and_delivers_nothing_is_found_and_replaced() {
    a_peer_that_delivers_nothing_is_replaced(SocketLibrary::Own).await;
}

/// To the link, a library whose task has died looks the same: it sends, and hands over nothing.
#[cfg(feature = "rust-socketio")]
#[tokio::test]
async fn a_library_that_hands_over_nothing_is_found_and_replaced() {
    a_peer_that_delivers_nothing_is_replaced(SocketLibrary::RustSocketio).await;
}

async fn a_peer_that_delivers_nothing_is_replaced(library: SocketLibrary) {
    let network = Scripted::start(Duration::from_secs(3600)).await;
    let upstream = Upstream::start_through(library, network.address, quick());
    let mut a = upstream.listen(Channel::new("a")).await;
    a.until("Confirmed", DEADLINE).await;
    let asked = network.asks("a").len();
    network.deafen(true);
    let lost = network.broadcast("a");
    a.until("Pending", PROMPT).await;
    let asks = network.asks("a");
    let unanswered = asks[asked..].iter().filter(|ask| ask.connection == 1);
    assert_eq!(unanswered.count(), 1, "one probe is enough: {asks:?}");
    network.deafen(false);
    a.until("Confirmed", PROMPT).await;
    let sent = network.broadcast("a").to_string();
    a.until(&sent, DEADLINE).await;
    assert!(!a.words.contains(&lost.to_string()));
    assert_eq!(
        a.words[..5],
        ["Pending", "Confirmed", "Pending", "Offline", "Confirmed"]
    );
    assert!(network.connects() >= 2);
}

#[tokio::test]
async fn a_peer_that_never_confirms_anything_is_replaced_too() {
    let network = Scripted::start(Duration::from_secs(3600)).await;
    network.deafen(true);
    let upstream = Upstream::start(network.address, quick());
    let mut a = upstream.listen(Channel::new("a")).await;
    eventually_within(PROMPT, "three connections", async || {
        let connects = network.connects();
        (connects >= 3)
            .then_some(())
            .ok_or_else(|| connects.to_string())
    })
    .await;
    network.deafen(false);
    a.until("Confirmed", PROMPT).await;
    assert_eq!(a.words, ["Pending", "Confirmed"]);
}

#[tokio::test]
async fn a_channel_that_the_link_has_already_is_confirmed_at_once() {
    let network = Scripted::start(Duration::from_secs(3600)).await;
    // Nothing is asked for again in this test's time, so that the first answer is the only one.
    let hour = Duration::from_secs(3600);
    let timings = LinkTimings {
        probe_every: hour,
        ask_again: (hour, hour),
        ..LinkTimings::default()
    };
    let upstream = Upstream::start(network.address, timings);
    let mut a = upstream.listen(Channel::new("a")).await;
    a.until("Confirmed", DEADLINE).await;
    // The link listens on the device's own channel from the start.
    let mut own = upstream.listen(Channel::new(DEVICE).system()).await;
    own.until("Confirmed", DEADLINE).await;
}

#[tokio::test]
async fn a_new_token_takes_over_in_time_without_a_channel_that_is_not_confirmed() {
    let network = Scripted::start(Duration::from_secs(6)).await;
    let upstream = Upstream::start(network.address, quick());
    let mut a = upstream.listen(Channel::new("a")).await;
    let mut b = upstream.listen(Channel::new("b")).await;
    a.until("Confirmed", DEADLINE).await;
    b.until("Confirmed", DEADLINE).await;
    // Probes of the first connection are answered.
    network.ignore_from(2, "b");
    b.until("Pending", PROMPT).await;
    assert!(network.connects() >= 2, "the new token opens another");
    network.ignore("b", false);
    b.until("Confirmed", PROMPT).await;
    let sent = network.broadcast("a").to_string();
    a.until(&sent, DEADLINE).await;
    assert_eq!(a.words[..2], ["Pending", "Confirmed"]);
    assert!(!a.words.contains(&"Offline".to_owned()), "{:?}", a.words);
}

#[tokio::test]
async fn a_connection_that_gathered_abandoned_channels_is_replaced_unnoticed() {
    let network = Scripted::start(Duration::from_secs(3600)).await;
    let upstream = Upstream::start(network.address, quick());
    let mut a = upstream.listen(Channel::new("a")).await;
    a.until("Confirmed", DEADLINE).await;
    upstream.pass_through("short-lived", 1200).await;
    until("a second connection", || {
        network.connects() == 2 && network.fewest() == 2
    })
    .await;
    let mut last = String::new();
    for _ in 0..20 {
        last = network.broadcast("a").to_string();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    a.until(&last, DEADLINE).await;
    let states: Vec<_> = a.words.iter().filter(|word| word.len() > 3).collect();
    assert_eq!(states, ["Pending", "Confirmed"], "and no gap");
    let sent = a.words.iter().filter(|word| word.len() <= 3).count();
    assert_eq!(sent, 20, "each once: {:?}", a.words);
    assert_eq!(network.connects(), 2);
}

#[tokio::test]
async fn a_channel_beyond_the_limit_of_a_socket_is_told_and_gets_a_connection_without_the_abandoned()
 {
    let network = Scripted::start(Duration::from_secs(3600)).await;
    network.limit(200, true);
    let upstream = Upstream::start(network.address, quick());
    let mut a = upstream.listen(Channel::new("a")).await;
    a.until("Confirmed", DEADLINE).await;
    upstream.pass_through("short-lived", 190).await;
    // The limit is reached while the first ones still linger, so that nothing is to be given up
    // yet.
    let mut others = Vec::new();
    for n in 0..50 {
        let other = upstream.listen(Channel::new(format!("other {n}")));
        others.push(other.await);
    }
    let said = upstream.last_error(|error| error.is_some()).await.unwrap();
    for word in ["refuses", "network.channel.tooMany", "a socket has so many"] {
        assert!(said.contains(word), "{said}");
    }
    for other in &mut others {
        other.until("Confirmed", DEADLINE).await;
    }
    upstream.last_error(|error| error.is_none()).await;
    let sent = network.broadcast("a").to_string();
    a.until(&sent, DEADLINE).await;
    assert_eq!(a.words, ["Pending", "Confirmed", &sent]);
    assert_eq!(network.connects(), 2);
}

#[tokio::test]
async fn a_channel_that_is_refused_without_a_word_is_told_too() {
    let network = Scripted::start(Duration::from_secs(3600)).await;
    network.limit(100, false);
    let upstream = Upstream::start(network.address, quick());
    let mut a = upstream.listen(Channel::new("a")).await;
    a.until("Confirmed", DEADLINE).await;
    upstream.pass_through("short-lived", 90).await;
    let mut others = Vec::new();
    for n in 0..50 {
        let other = upstream.listen(Channel::new(format!("other {n}")));
        others.push(other.await);
    }
    let said = upstream.last_error(|error| error.is_some()).await.unwrap();
    assert!(said.contains("unanswered"), "{said}");
    for other in &mut others {
        other.until("Confirmed", DEADLINE).await;
    }
    upstream.last_error(|error| error.is_none()).await;
    assert_eq!(network.connects(), 2);
}

#[tokio::test]
async fn a_refusal_that_nothing_can_be_done_about_is_told_and_asked_again() {
    let network = Scripted::start(Duration::from_secs(3600)).await;
    network.limit(3, true);
    let upstream = Upstream::start(network.address, quick());
    let mut a = upstream.listen(Channel::new("a")).await;
    let mut b = upstream.listen(Channel::new("b")).await;
    a.until("Confirmed", DEADLINE).await;
    b.until("Confirmed", DEADLINE).await;
    let mut c = upstream.listen(Channel::new("c")).await;
    let said = upstream.last_error(|error| error.is_some()).await.unwrap();
    for word in ["refuses the channel \"c\"", "tooMany", "end listeners"] {
        assert!(said.contains(word), "{said}");
    }
    network.limit(4, true);
    c.until("Confirmed", DEADLINE).await;
    upstream.last_error(|error| error.is_none()).await;
    assert_eq!(network.connects(), 1, "nothing was in the way");
}

#[tokio::test]
async fn a_reset_soon_after_a_healed_outage_is_retried_within_the_first_wait() {
    let network = Scripted::start(Duration::from_secs(3600)).await;
    let proxy = crate::proxy::Proxy::start(network.address).await;
    let timings = LinkTimings {
        retry: (Duration::from_millis(200), Duration::from_secs(60)),
        ..quick()
    };
    let first = timings.retry.0;
    let upstream = Upstream::start(proxy.address, timings);
    let mut a = upstream.listen(Channel::new("a")).await;
    a.until("Confirmed", DEADLINE).await;
    for _ in 0..2 {
        // A connection that holds for so long is no short success.
        tokio::time::sleep(first * 3).await;
        proxy.set(crate::proxy::Mode::Refuse);
        let mut status = upstream.status.clone();
        let tries = status.wait_for(|status| status.attempt >= 4);
        drop(in_time("four tries", tries).await.unwrap());
        proxy.set(crate::proxy::Mode::Pass);
        a.until("Pending", DEADLINE).await;
        a.until("Confirmed", DEADLINE).await;
        // The connection is as fresh as can be.
        proxy.set(crate::proxy::Mode::Reset);
        let next_try = |status: &LinkStatus| status.next_try.filter(|_| status.attempt == 1);
        let found = status.wait_for(|status| next_try(status).is_some());
        let found = in_time("the next try", found).await;
        let left = next_try(&found.unwrap()).unwrap().left();
        assert!(left <= first, "the next try comes in {left:?}");
        proxy.set(crate::proxy::Mode::Pass);
        a.until("Pending", DEADLINE).await;
        a.until("Confirmed", DEADLINE).await;
    }
}

#[tokio::test]
async fn a_server_that_confirms_and_drops_at_once_is_not_hammered() {
    let network = Scripted::start(Duration::from_secs(3600)).await;
    network.drop_subscribers(true);
    let timings = LinkTimings {
        retry: (Duration::from_millis(100), Duration::from_secs(10)),
        ..quick()
    };
    let upstream = Upstream::start(network.address, timings);
    let mut a = upstream.listen(Channel::new("a")).await;
    // The waits are between a tenth and all of 0.1, 0.2, 0.4, 0.8, 1.6, 3.2 s and so on: the
    // seventh connection opens after 0.63 s at the soonest, the twelfth after 10 s. A rate needs
    // its span of time; a busy machine only makes the connections fewer.
    until("the third connection", || network.connects() >= 3).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let connects = network.connects();
    assert!(connects <= 12, "{connects} connections in some 2 s");
    network.drop_subscribers(false);
    until("one more connection", || network.connects() > connects).await;
    a.until("Confirmed", DEADLINE).await;
}

#[tokio::test]
async fn apps_that_open_channels_without_end_do_not_put_the_replacement_off() {
    let network = Scripted::start(Duration::from_secs(3600)).await;
    // As a network far away, so that something is always on its way.
    network.delay(Duration::from_millis(30));
    let timings = LinkTimings {
        settle: Duration::from_secs(1),
        ..quick()
    };
    let upstream = Upstream::start(network.address, timings);
    let mut a = upstream.listen(Channel::new("a")).await;
    a.until("Confirmed", DEADLINE).await;
    upstream.pass_through("short-lived", 1200).await;
    let mut slowest = Duration::ZERO;
    let mut n = 0;
    eventually("the connection is replaced", async || {
        let began = Instant::now();
        let endless = (0..5).map(|i| upstream.listen(Channel::new(format!("endless {n} {i}"))));
        let mut endless = futures_util::future::join_all(endless).await;
        for listener in &mut endless {
            listener.until("Confirmed", PROMPT).await;
        }
        slowest = slowest.max(began.elapsed());
        n += 1;
        let (connects, open) = (network.connects(), network.open());
        (connects >= 2 && open <= 1)
            .then_some(())
            .ok_or_else(|| format!("{connects} connections, {open} of them open"))
    })
    .await;
    eprintln!("{n} times five channels, confirmed after {slowest:?} at most");
    let sent = network.broadcast("a").to_string();
    a.until(&sent, DEADLINE).await;
    assert_eq!(a.words, ["Pending", "Confirmed", &sent]);
}
