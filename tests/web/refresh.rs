//! Refreshes of a page's token: everything once and in order, on the socket that takes over.

use std::time::Instant;

use crate::page::{HOLD_TIMEOUT, Page, PollingPage};
use crate::world::{BOARD_ORIGIN, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_keeps_its_socket_is_sent_away_and_given_the_rest_when_it_is_back() {
    let mut world = World::start().await;
    let token = world.log_in().await;
    let mut page = Page::open(&world, &token).await;
    page.subscribe(&world).await;
    world.send(1).await;
    assert_eq!(page.number().await, Some(1));
    let refresh = async {
        let answer = world.ask("POST", "/api/auth/token", BOARD_ORIGIN, &token);
        assert_eq!(answer.await.status, 200);
        world.send(2).await;
        world.send(3).await;
    };
    // It hears nothing more, and must not stay like that.
    let (heard, ()) = tokio::join!(page.number(), refresh);
    assert_eq!(heard, None);
    world.daemon.said("the page continues on a new socket");
    // Nothing is missing, so that its next handshake is taken, with the token of before.
    let mut page = Page::open(&world, &token).await;
    page.subscribe(&world).await;
    world.send(4).await;
    for number in 2..=4 {
        assert_eq!(page.number().await, Some(number));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_does_not_poll_is_refreshed_in_time_and_given_what_it_has_not_confirmed() {
    let world = World::start().await;
    let token = world.log_in().await;
    let page = PollingPage::with_first_number(&world, &token).await;
    // No poll from here on: it may not have received the last answer.
    world.send(2).await;
    let token = refresh_in_time(&world, &token).await;
    world.send(3).await;
    let after = PollingPage::open(&world, &token).await;
    after.subscribe(&world).await;
    assert_eq!(after.numbers_until(3).await, [1, 2, 3]);
    assert!(page.poll().await.is_empty(), "the old socket goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_reads_nothing_is_refreshed_in_time_and_given_everything() {
    const MANY: u64 = 12;
    let world =
        World::with_limits("limits.log_bytes = \"32MiB\"\nlimits.total_log_bytes = \"64MiB\"")
            .await;
    let token = world.log_in().await;
    let mut slow = Page::open_narrow(&world, &token).await;
    slow.subscribe(&world).await;
    for number in 1..=MANY {
        world.send_large(number, 512 * 1024).await;
    }
    let token = refresh_in_time(&world, &token).await;
    let mut after = Page::open(&world, &token).await;
    after.subscribe(&world).await;
    world.send(MANY + 1).await;
    for number in 1..=MANY + 1 {
        assert_eq!(after.number().await, Some(number));
    }
}

/// Refreshes the token of a page that confirms nothing. Returns the new one.
async fn refresh_in_time(world: &World, token: &str) -> String {
    let begun = Instant::now();
    let answer = world.ask("POST", "/api/auth/token", BOARD_ORIGIN, token);
    let answer = answer.await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let took = begun.elapsed();
    assert!((HOLD_TIMEOUT..5 * HOLD_TIMEOUT).contains(&took), "{took:?}");
    answer.text("token")
}
