//! Apps that open channels without end: the network knows no unsubscribe, and others must not
//! suffer.

use expd_client::{Client, Event, EventStream, Listen, SubscriptionState};
use expd_domain::{Channel, Payload};
use futures_util::StreamExt as _;

use expd_test_support::process::Home;
use expd_test_support::{eventually, in_time};

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
    in_time("the confirmation", confirmed).await;
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
            let opened = in_time("a stream", abandoning.listen(&to(name))).await;
            streams.push(opened.unwrap());
        }
        confirmed(streams.last_mut().unwrap()).await;
    }

    eventually("the connection is replaced", async || {
        let status = client.status().await.unwrap();
        let connects = status.instances[0].counters.connects;
        (connects >= 2)
            .then_some(())
            .ok_or_else(|| format!("{connects} connections"))
    })
    .await;
    // The other app heard nothing of it, and goes on hearing.
    let payload = Payload::parse("7").unwrap();
    let channel = Channel::new("menu");
    client
        .broadcast("", &channel, "order", &payload, None)
        .await
        .unwrap();
    let heard = in_time("the broadcast", other.next()).await;
    let heard = heard.unwrap().unwrap();
    assert!(
        matches!(&heard.event, Event::Broadcast(b) if b.payload.as_str() == "7"),
        "{heard:?}"
    );
    let mut another = client.listen(&to("news".to_owned())).await.unwrap();
    confirmed(&mut another).await;
}
