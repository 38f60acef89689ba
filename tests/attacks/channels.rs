//! Apps that open channels without end: the network knows no unsubscribe, and others must not
//! suffer.

use std::time::{Duration, Instant};

use expd_client::{Client, Event, EventStream, Listen, SubscriptionState};
use expd_domain::{Channel, Payload};
use futures_util::StreamExt as _;
use tokio::time::timeout;

use expd_test_support::DEADLINE;
use expd_test_support::process::Home;

/// Waits for the confirmation; nothing but the channel's own state comes before it.
async fn confirmed(stream: &mut EventStream) {
    let confirmed = async {
        loop {
            let event = stream.next().await.unwrap().unwrap().event;
            match event {
                Event::Subscription(s) if s.state == SubscriptionState::Confirmed => return,
                Event::Subscription(_) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    let in_time = timeout(DEADLINE, confirmed).await;
    assert!(in_time.is_ok(), "not confirmed within {DEADLINE:?}");
}

#[tokio::test]
async fn channels_that_one_app_abandoned_do_not_cost_another_its_channel() {
    let home = Home::new("[daemon.limits]\nlog_age = \"1s\"\n");
    let mut daemon = home.start();
    daemon.said("logged in");
    let client = Client::connect(Some(home.socket())).await.unwrap();
    let to = |name: String| Listen::to(Channel::new(name));
    let mut other = client.listen(&to("menu".to_owned())).await.unwrap();
    confirmed(&mut other).await;

    for round in 0..6 {
        // On connections of its own, each of which takes so many calls at once.
        let abandoning = Client::connect(Some(home.socket())).await.unwrap();
        let mut streams = Vec::new();
        for n in 0..200 {
            let name = format!("short-lived {round} {n}");
            let opened = timeout(DEADLINE, abandoning.listen(&to(name))).await;
            streams.push(opened.unwrap().unwrap());
        }
        confirmed(streams.last_mut().unwrap()).await;
    }

    let connects = async |client: &Client| {
        let status = client.status().await.unwrap();
        status.instances[0].counters.connects
    };
    let deadline = Instant::now() + DEADLINE;
    while connects(&client).await < 2 {
        assert!(Instant::now() < deadline, "the connection is not replaced");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // The other app heard nothing of it, and goes on hearing.
    let payload = Payload::parse("7").unwrap();
    let channel = Channel::new("menu");
    client
        .broadcast("", &channel, "order", &payload, None)
        .await
        .unwrap();
    let heard = timeout(DEADLINE, other.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(
        matches!(&heard.event, Event::Broadcast(b) if b.payload.as_str() == "7"),
        "{heard:?}"
    );
    let mut another = client.listen(&to("news".to_owned())).await.unwrap();
    confirmed(&mut another).await;
}
