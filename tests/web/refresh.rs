//! Refreshes of a page's token: everything once and in order, on the socket that takes over.

use crate::page::Page;
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
    world.daemon.said("the page has kept it");
    // Nothing is missing, so that its next handshake is taken, with the token of before.
    let mut page = Page::open(&world, &token).await;
    page.subscribe(&world).await;
    world.send(4).await;
    for number in 2..=4 {
        assert_eq!(page.number().await, Some(number));
    }
}
