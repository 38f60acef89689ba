//! The promises to pages: everything once and in order at a refresh, the rest after any other end,
//! and the truth about what cannot be delivered.

use std::time::Instant;

use expd_test_support::eventually;
use tokio::time::timeout;

use crate::page::{CUT_AFTER, HOLD_TIMEOUT, Page, PollingPage};
use crate::page_host::{BOARD_ORIGIN, PageHost};

/// Payloads that together exceed what the kernel holds for a socket whose client does not read.
const LARGE: usize = 512 * 1024;
const MANY: u64 = 16;

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_reads_nothing_is_cut_alone_and_is_given_the_rest_when_it_returns() {
    let mut host = PageHost::with_limits(
        "log_format = \"json\"\nlimits.log_bytes = \"32MiB\"\nlimits.total_log_bytes = \"64MiB\"",
    )
    .await;
    let (slow_token, other_token) = (host.log_in().await, host.log_in().await);
    let mut slow = Page::open_narrow(&host, &slow_token).await;
    slow.subscribe(&host).await;
    let mut other = Page::open(&host, &other_token).await;
    other.subscribe(&host).await;
    let begun = Instant::now();
    for number in 1..=MANY {
        let sent = Instant::now();
        host.send_large(number, LARGE).await;
        assert_eq!(other.number().await, Some(number));
        // A page that held up the others would do so until it is cut: half of that time tells them
        // apart, and a busy machine needs far less.
        assert!(sent.elapsed() < CUT_AFTER / 2, "{:?}", sent.elapsed());
    }
    let line = host.daemon.said("closed the socket of a page");
    assert!(line.contains("does not read"), "{line}");
    assert!(line.contains(r#""event":"page-cut""#), "{line}");
    assert!(line.contains(r#""reason":"slow""#), "{line}");
    assert!(begun.elapsed() >= CUT_AFTER, "it was cut before its time");
    drop(slow);
    // No 503: everything is still in the log.
    let mut again = Page::open(&host, &slow_token).await;
    again.subscribe(&host).await;
    for number in 1..=MANY {
        assert_eq!(again.number().await, Some(number));
    }
    host.send(MANY + 1).await;
    assert_eq!(other.number().await, Some(MANY + 1));
    assert_eq!(again.number().await, Some(MANY + 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_over_long_polling_is_once_and_in_order_and_the_next_poll_is_the_pong() {
    let host = PageHost::start().await;
    let token = host.log_in().await;
    let page = PollingPage::with_first_number(&host, &token).await;
    // The page has not polled again, so that it may not have received this.
    let begun = Instant::now();
    let refresh = host.ask("POST", "/api/auth/token", BOARD_ORIGIN, &token);
    tokio::pin!(refresh);
    let early = timeout(HOLD_TIMEOUT / 4, &mut refresh).await;
    let answered_early = early.is_ok() && begun.elapsed() < HOLD_TIMEOUT;
    assert!(!answered_early, "answered before the poll: {early:?}");
    // From here on the old socket brings nothing more.
    host.send(2).await;
    let old = if let Ok(answer) = early {
        answer
    } else {
        tokio::select! {
            packets = page.poll() => panic!("the old socket brought {packets:?}"),
            answer = &mut refresh => answer,
        }
    };
    let is_confirmed = begun.elapsed() < HOLD_TIMEOUT;
    assert_eq!(old.status, 200, "{old:?}");
    let token = old.text("token");
    let page = PollingPage::open(&host, &token).await;
    page.subscribe(&host).await;
    host.send(3).await;
    let mut numbers = page.numbers_until(3).await;
    if !is_confirmed && numbers[0] == 1 {
        // This machine was too busy to poll in time.
        numbers.remove(0);
    }
    assert_eq!(numbers, [2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_abrupt_end_a_few_come_twice_and_none_is_missed_or_out_of_order() {
    const HEARD: u64 = 20;
    const ALL: u64 = 40;
    let host = PageHost::start().await;
    let token = host.log_in().await;
    let mut page = Page::open(&host, &token).await;
    page.subscribe(&host).await;
    for number in 1..=HEARD {
        host.send(number).await;
        assert_eq!(page.number().await, Some(number));
    }
    // What it says to the last ping, nobody hears any more.
    drop(page);
    for number in HEARD + 1..=ALL {
        host.send(number).await;
    }
    let mut page = Page::open(&host, &token).await;
    page.subscribe(&host).await;
    let first = page.number().await.unwrap();
    assert!(first <= HEARD + 1, "missed what was before {first}");
    for number in first + 1..=ALL {
        assert_eq!(page.number().await, Some(number));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_network_is_away_handshakes_are_refused() {
    let mut host = PageHost::start().await;
    let token = host.log_in().await;
    let mut page = Page::open(&host, &token).await;
    page.subscribe(&host).await;
    host.network.stop().await;
    assert_eq!(page.number().await, None, "the transport is closed");
    for _ in 0..2 {
        let refused = Page::try_open(&host, &token).await.err().unwrap();
        assert_eq!((refused.status, refused.code()), (503, "network.offline"));
    }
    host.network.start_again().await;
    assert_eq!(first_when_back(&host, &token, 1).await, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_before_the_network_went_away_is_confirmed_and_comes_once() {
    const BEFORE: u64 = 5;
    let mut host = PageHost::start().await;
    let token = host.log_in().await;
    let mut page = Page::open(&host, &token).await;
    page.subscribe(&host).await;
    for number in 1..=BEFORE {
        host.send(number).await;
        assert_eq!(page.number().await, Some(number));
    }
    host.network.stop().await;
    assert_eq!(page.number().await, None, "the transport is closed");
    host.network.start_again().await;
    let first = first_when_back(&host, &token, BEFORE + 1).await;
    assert_eq!(first, Some(BEFORE + 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_behind_broadcasts_that_a_log_still_holds_is_told_behind_them() {
    let mut host = PageHost::start().await;
    let (token, other_token) = (host.log_in().await, host.log_in().await);
    let mut page = Page::open(&host, &token).await;
    page.subscribe(&host).await;
    let mut other = Page::open(&host, &other_token).await;
    other.subscribe(&host).await;
    drop(page);
    host.send(1).await;
    assert_eq!(other.number().await, Some(1), "it is not in the log");
    host.network.stop().await;
    assert_eq!(other.number().await, None, "the transport is closed");
    let refused = Page::try_open(&host, &token).await.err().unwrap();
    assert_eq!(refused.code(), "network.offline");
    host.network.start_again().await;
    // It is `online` again, and takes what comes from here on for complete.
    let mut page = come_back(&host, &token).await;
    assert_eq!(page.number().await, Some(1));
    assert_eq!(page.number().await, None, "the transport is closed");
    eventually("the handshake is refused once", async || {
        // Those of an app are limited in number, too.
        let refused = Page::try_open(&host, &token).await.err().unwrap();
        let code = refused.code();
        (code == "network.socket.missed")
            .then_some(())
            .ok_or(code.to_owned())
    })
    .await;
    let mut page = come_back(&host, &token).await;
    host.send(2).await;
    assert_eq!(page.number().await, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_leaves_the_namespace_and_opens_it_again_is_given_the_rest() {
    let host = PageHost::start().await;
    let token = host.log_in().await;
    let mut page = Page::open(&host, &token).await;
    page.subscribe(&host).await;
    page.leave_and_open_again().await;
    // It has yet to subscribe.
    host.send(1).await;
    page.subscribe(&host).await;
    host.send(2).await;
    for number in 1..=2 {
        assert_eq!(page.number().await, Some(number));
    }
}

/// A page that is subscribed again, as often as it is sent away before.
async fn come_back(host: &PageHost, token: &str) -> Page {
    eventually("the page is back", async || {
        let opened = Page::try_open(host, token).await;
        let mut page = opened.map_err(|refused| format!("{refused:?}"))?;
        let is_subscribed = page.try_subscribe(host).await;
        is_subscribed.then_some(page).ok_or("closed".to_owned())
    })
    .await
}

/// The first number that a page is given once it is back, where this one is sent then.
async fn first_when_back(host: &PageHost, token: &str, sent: u64) -> Option<u64> {
    let mut page = come_back(host, token).await;
    host.send(sent).await;
    let heard = page.number().await;
    if heard.is_some() {
        return heard;
    }
    // A page that is let in before the channel's gap is known is told of it then: it comes back
    // once more, and is given what came since.
    come_back(host, token).await.number().await
}
