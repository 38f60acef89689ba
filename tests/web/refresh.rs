//! Refreshes of a page's token: everything once and in order, on the socket that takes over.

use std::time::Instant;

use crate::page::{CUT_AFTER, HOLD_TIMEOUT, Page, PollingPage};
use crate::page_host::{BOARD_ORIGIN, PageHost};

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_keeps_its_socket_is_sent_away_and_given_the_rest_when_it_is_back() {
    let mut host = PageHost::start().await;
    let token = host.log_in().await;
    let mut page = Page::open(&host, &token).await;
    page.subscribe(&host).await;
    host.send(1).await;
    assert_eq!(page.number().await, Some(1));
    let refresh = async {
        let answer = host.ask("POST", "/api/auth/token", BOARD_ORIGIN, &token);
        assert_eq!(answer.await.status, 200);
        host.send(2).await;
        host.send(3).await;
    };
    // It hears nothing more, and must not stay like that.
    let (heard, ()) = tokio::join!(page.number(), refresh);
    assert_eq!(heard, None);
    host.daemon.said("the page continues on a new socket");
    // Nothing is missing, so that its next handshake is taken, with the token of before.
    let mut page = Page::open(&host, &token).await;
    page.subscribe(&host).await;
    host.send(4).await;
    for number in 2..=4 {
        assert_eq!(page.number().await, Some(number));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_does_not_poll_is_refreshed_in_time_and_given_what_it_has_not_confirmed() {
    let host = PageHost::start().await;
    let token = host.log_in().await;
    let page = PollingPage::with_first_number(&host, &token).await;
    // No poll from here on: it may not have received the last answer.
    host.send(2).await;
    let token = refresh_in_time(&host, &token).await;
    host.send(3).await;
    let after = PollingPage::open(&host, &token).await;
    after.subscribe(&host).await;
    assert_eq!(after.numbers_until(3).await, [1, 2, 3]);
    assert!(page.poll().await.is_empty(), "the old socket goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_reads_nothing_is_refreshed_in_time_and_given_everything() {
    const MANY: u64 = 12;
    let host =
        PageHost::with_limits("limits.log_bytes = \"32MiB\"\nlimits.total_log_bytes = \"64MiB\"")
            .await;
    let token = host.log_in().await;
    let mut slow = Page::open_narrow(&host, &token).await;
    slow.subscribe(&host).await;
    for number in 1..=MANY {
        host.send_large(number, 512 * 1024).await;
    }
    let token = refresh_in_time(&host, &token).await;
    let mut after = Page::open(&host, &token).await;
    after.subscribe(&host).await;
    host.send(MANY + 1).await;
    for number in 1..=MANY + 1 {
        assert_eq!(after.number().await, Some(number));
    }
}

/// Refreshes the token of a page that confirms nothing. Returns the new one.
async fn refresh_in_time(host: &PageHost, token: &str) -> String {
    let begun = Instant::now();
    let answer = host.ask("POST", "/api/auth/token", BOARD_ORIGIN, token);
    let answer = answer.await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let took = begun.elapsed();
    // Sooner than the page would be cut, which would let it go as well.
    assert!((HOLD_TIMEOUT..CUT_AFTER).contains(&took), "{took:?}");
    answer.text("token")
}
