//! The app that is not attacked, and its measurements.

use std::time::Duration;

use expd_proto::api_client::ApiClient;
use expd_proto::listen_event::Event;
use expd_proto::network_client::NetworkClient;
use expd_proto::{
    BroadcastRequest, Channel, GetIdentityRequest, ListenEvent, ListenRequest, Payload, payload,
    subscription,
};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tonic::Streaming;

use crate::daemon::{Daemon, VICTIM, channel};

/// A call that takes longer is stuck.
const STUCK: Duration = Duration::from_secs(10);

/// A program that calls and receives at a steady pace.
pub struct Victim {
    /// Interval of its requests, and of the broadcasts sent to it.
    period: Duration,
    api: ApiClient<tonic::transport::Channel>,
    sender: NetworkClient<tonic::transport::Channel>,
    events: Streaming<ListenEvent>,
}

fn menu() -> Channel {
    Channel {
        name: "the victim's".to_owned(),
        ..Channel::default()
    }
}

impl Victim {
    /// Connects, and waits for its channel's confirmation.
    pub async fn start(daemon: &Daemon, period: Duration) -> Self {
        let socket = daemon.socket();
        let mut api = ApiClient::new(channel(&socket, VICTIM).await.unwrap());
        while api
            .get_identity(GetIdentityRequest::default())
            .await
            .is_err()
        {
            sleep(Duration::from_millis(20)).await;
        }
        let mut network = NetworkClient::new(channel(&socket, VICTIM).await.unwrap());
        let listen = ListenRequest {
            channel: Some(menu()),
            ..ListenRequest::default()
        };
        let mut events = network.listen(listen).await.unwrap().into_inner();
        while let Some(event) = events.message().await.unwrap() {
            if matches!(&event.event, Some(Event::Subscription(now)) if now.state() == subscription::State::Confirmed)
            {
                break;
            }
        }
        Self {
            period,
            api,
            // Root sends what the victim receives.
            sender: NetworkClient::new(channel(&socket, 0).await.unwrap()),
            events,
        }
    }

    /// The latencies of its calls and deliveries, and the daemon's peak memory.
    pub async fn endure(
        self,
        daemon: &Daemon,
        time: Duration,
    ) -> (Vec<Duration>, Vec<Duration>, usize) {
        let Self {
            period,
            mut api,
            mut sender,
            mut events,
        } = self;
        let begun = Instant::now();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut calls = Vec::new();
            let mut due = interval(period);
            due.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while begun.elapsed() < time {
                due.tick().await;
                let start = Instant::now();
                let asked = timeout(STUCK, api.get_identity(GetIdentityRequest::default())).await;
                asked.ok().and_then(Result::ok);
                calls.push(start.elapsed());
            }
            calls
        });
        let receiving = async {
            let mut deliveries = Vec::new();
            while let Ok(Ok(Some(event))) = timeout(STUCK, events.message()).await {
                let Some(Event::Broadcast(broadcast)) = event.event else {
                    continue;
                };
                let Some(payload::Form::Json(sent)) = broadcast.payload.and_then(|p| p.form) else {
                    continue;
                };
                let sent = Duration::from_micros(sent.parse().unwrap());
                deliveries.push(begun.elapsed().saturating_sub(sent));
                if begun.elapsed() > time {
                    break;
                }
            }
            deliveries
        };
        let sending = async {
            let mut due = interval(period);
            due.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut most = 0;
            // One more, so that the listener ends.
            while begun.elapsed() < time + 2 * period {
                due.tick().await;
                let request = BroadcastRequest {
                    channel: Some(menu()),
                    name: "tick".to_owned(),
                    payload: Some(Payload {
                        form: Some(payload::Form::Json(begun.elapsed().as_micros().to_string())),
                    }),
                    timeout: Some(prost_types::Duration::default()),
                    ..BroadcastRequest::default()
                };
                // An unsent broadcast is missing from the deliveries, and shows in their number.
                timeout(STUCK, sender.broadcast(request)).await.ok();
                most = most.max(daemon.memory());
            }
            most
        };
        let (deliveries, most) = tokio::join!(receiving, sending);
        let calls = tasks.join_next().await.unwrap().unwrap();
        (calls, deliveries, most)
    }
}
