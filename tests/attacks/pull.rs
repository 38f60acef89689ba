//! Programs that give their calls up: what they asked for is not lost to them.

use std::time::Duration;

use expd_client::{Client, Event, Listen};
use expd_proto::listen_event::Event as Wire;
use expd_proto::network_client::NetworkClient;
use expd_proto::{
    Channel, ListenEvent, ListenRequest, NextEventRequest, NextEventResponse, Resume,
};
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::{Code, Status};

use expd_test_support::DEADLINE;
use expd_test_support::http2::{channel_as, own_uid};
use expd_test_support::process::Home;

/// The number of broadcasts.
const NUMBERS: u64 = 400;

/// An hour, which nobody waits for.
const LONG: Duration = Duration::from_secs(3600);

/// Broadcasts the numbers, one after the other.
async fn count(client: Client) {
    let channel = expd_domain::Channel::new("menu");
    for number in 1..=NUMBERS {
        let payload = expd_domain::Payload::parse(number.to_string()).unwrap();
        let sent = client.broadcast("", &channel, "number", &payload, Some(Duration::ZERO));
        sent.await.unwrap();
    }
}

fn number(event: &ListenEvent) -> Option<u64> {
    match event.event.as_ref().unwrap() {
        Wire::Broadcast(broadcast) => {
            let payload = broadcast.payload.clone().unwrap().form.unwrap();
            let expd_proto::payload::Form::Json(text) = payload else {
                panic!("{payload:?}");
            };
            Some(text.parse().unwrap())
        }
        Wire::Gap(gap) => panic!("{gap:?}"),
        Wire::Subscription(_) => None,
    }
}

async fn next(
    network: &mut NetworkClient<tonic::transport::Channel>,
    id: &str,
    wait: Duration,
    after: Option<u64>,
) -> Result<NextEventResponse, Status> {
    let request = NextEventRequest {
        listener_id: id.to_owned(),
        wait: Some(wait.try_into().unwrap()),
        after,
        repeat: false,
    };
    let answer = network.next_event(request).await;
    answer.map(tonic::Response::into_inner)
}

async fn opened(network: &mut NetworkClient<tonic::transport::Channel>) -> String {
    let listen = ListenRequest {
        channel: Some(Channel {
            name: "menu".to_owned(),
            ..Channel::default()
        }),
        ..ListenRequest::default()
    };
    let opened = network.open_listener(listen).await.unwrap();
    opened.into_inner().listener_id
}

/// The time until a call is given up: random, and longer after many in a row, so that a slow
/// machine gets through as well.
struct Patience {
    random: rand::rngs::StdRng,
    given_up_in_a_row: u64,
}

impl Patience {
    fn new(seed: u64) -> Self {
        Self {
            random: rand::rngs::StdRng::seed_from_u64(seed),
            given_up_in_a_row: 0,
        }
    }

    fn next(&mut self) -> Duration {
        self.given_up_in_a_row += 1;
        let most = 6000 * (1 + self.given_up_in_a_row / 16);
        Duration::from_micros(self.random.random_range(0..most))
    }

    fn arrived(&mut self) {
        self.given_up_in_a_row = 0;
    }
}

#[tokio::test]
async fn what_a_given_up_call_was_handed_comes_again_until_it_arrived() {
    let home = Home::new("");
    let _daemon = home.start();
    let mut network = NetworkClient::new(channel_as(&home.socket(), own_uid()).await);
    let id = opened(&mut network).await;
    let mut after = None;
    // What is broadcast from the confirmation on is heard.
    loop {
        let event = next(&mut network, &id, LONG, after)
            .await
            .unwrap()
            .event
            .unwrap();
        after = Some(event.sequence);
        if matches!(event.event, Some(Wire::Subscription(told)) if told.state == 2) {
            break;
        }
    }
    let client = Client::connect(Some(home.socket())).await.unwrap();
    let mut broadcasting = JoinSet::new();
    broadcasting.spawn(count(client));
    let mut patience = Patience::new(3);
    let (mut heard, mut given_up) = (Vec::new(), 0);
    let hearing = async {
        while heard.len() < usize::try_from(NUMBERS).unwrap() {
            let limit = patience.next();
            let asked = next(&mut network, &id, LONG, after);
            match timeout(limit, asked).await {
                Ok(Ok(answer)) => {
                    let event = answer.event.unwrap();
                    patience.arrived();
                    after = Some(event.sequence);
                    heard.extend(number(&event));
                }
                // The daemon has not heard yet that the call before was given up.
                Ok(Err(busy)) if busy.code() == Code::FailedPrecondition => {}
                Ok(Err(error)) => panic!("{error:?}"),
                Err(_) => given_up += 1,
            }
        }
    };
    timeout(DEADLINE, hearing).await.unwrap();
    assert_eq!(heard, (1..=NUMBERS).collect::<Vec<_>>());
    assert!(given_up > 100, "{given_up} calls were given up");
}

#[tokio::test]
async fn the_client_loses_nothing_whenever_it_is_dropped() {
    let home = Home::new("");
    let _daemon = home.start();
    let client = Client::connect(Some(home.socket())).await.unwrap();
    let listen = Listen::to(expd_domain::Channel::new("menu"));
    let mut listener = client.pull(&listen).await.unwrap();
    loop {
        let event = listener.next(LONG).await.unwrap().unwrap().event;
        let confirmed = expd_client::SubscriptionState::Confirmed;
        if matches!(event, Event::Subscription(told) if told.state == confirmed) {
            break;
        }
    }
    let mut broadcasting = JoinSet::new();
    broadcasting.spawn(count(client.clone()));
    let mut patience = Patience::new(4);
    let (mut heard, mut given_up) = (Vec::new(), 0);
    let hearing = async {
        while heard.len() < usize::try_from(NUMBERS).unwrap() {
            let limit = patience.next();
            match timeout(limit, listener.next(LONG)).await {
                Ok(event) => {
                    patience.arrived();
                    match event.unwrap().unwrap().event {
                        Event::Broadcast(broadcast) => {
                            heard.push(broadcast.payload.as_str().to_owned());
                        }
                        Event::Subscription(_) => {}
                        Event::Gap(gap) => panic!("{gap:?}"),
                    }
                }
                Err(_) => given_up += 1,
            }
        }
    };
    timeout(DEADLINE, hearing).await.unwrap();
    let numbers = (1..=NUMBERS).map(|number| number.to_string());
    assert_eq!(heard, numbers.collect::<Vec<_>>());
    assert!(given_up > 100, "{given_up} calls were given up");
}

#[tokio::test]
async fn an_event_is_handed_out_again_until_it_is_said_to_have_arrived() {
    let home = Home::new("");
    let _daemon = home.start();
    let mut network = NetworkClient::new(channel_as(&home.socket(), own_uid()).await);
    let id = opened(&mut network).await;
    let first = next(&mut network, &id, LONG, None)
        .await
        .unwrap()
        .event
        .unwrap();
    let second = next(&mut network, &id, LONG, Some(first.sequence)).await;
    let second = second.unwrap().event.unwrap();
    for _ in 0..3 {
        let again = next(&mut network, &id, LONG, Some(first.sequence)).await;
        assert_eq!(again.unwrap().event.as_ref(), Some(&second));
    }
    let ahead = next(&mut network, &id, LONG, Some(second.sequence + 1)).await;
    assert_eq!(ahead.unwrap_err().code(), Code::InvalidArgument);
    let none = next(&mut network, &id, Duration::ZERO, Some(second.sequence)).await;
    assert_eq!(none.unwrap().event, None);
    // What has arrived does not come again, and a client that says nothing is believed to have got
    // everything.
    let none = next(&mut network, &id, Duration::ZERO, Some(first.sequence)).await;
    assert_eq!(none.unwrap().event, None);
    let none = next(&mut network, &id, Duration::ZERO, None).await;
    assert_eq!(none.unwrap().event, None);
}

#[tokio::test]
async fn of_two_events_with_one_sequence_the_second_is_not_lost_either() {
    let home = Home::new("");
    let _daemon = home.start();
    let mut network = NetworkClient::new(channel_as(&home.socket(), own_uid()).await);
    let listen = ListenRequest {
        channel: Some(Channel {
            name: "menu".to_owned(),
            ..Channel::default()
        }),
        resume: Some(Resume {
            log_id: "of an earlier daemon".to_owned(),
            after: 7,
        }),
        ..ListenRequest::default()
    };
    let opened = network.open_listener(listen).await.unwrap();
    let mut request = NextEventRequest {
        listener_id: opened.into_inner().listener_id,
        wait: Some(LONG.try_into().unwrap()),
        ..NextEventRequest::default()
    };
    let first = network.next_event(request.clone()).await.unwrap();
    let first = first.into_inner().event.unwrap();
    assert!(matches!(first.event, Some(Wire::Subscription(_))));
    request.after = Some(first.sequence);
    let gap = network.next_event(request.clone()).await.unwrap();
    let gap = gap.into_inner().event.unwrap();
    assert!(matches!(gap.event, Some(Wire::Gap(_))), "{gap:?}");
    assert_eq!(gap.sequence, first.sequence);
    // As if that answer had been lost: `after` is what it was.
    request.repeat = true;
    let again = network.next_event(request.clone()).await.unwrap();
    assert_eq!(again.into_inner().event, Some(gap.clone()));
    request.repeat = false;
    let third = network.next_event(request).await.unwrap();
    let third = third.into_inner().event.unwrap();
    assert!(third.sequence > gap.sequence, "{third:?}");
}
