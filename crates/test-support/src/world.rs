//! The one world of tests in process: a network with everybody who may log in to it, a daemon, and
//! clients. Each part can be stopped and started again.

use std::path::PathBuf;

use expd::config::settings::InstanceSettings;
use expd::config::{Credentials, Settings};
use expd_client::{
    Broadcast, Client, ClientError, Event, EventStream, GapReason, LinkState, Listen, Refusal,
    SubscriptionState,
};
use expd_domain::{Channel, Payload, Secret};
use expd_hub::{CountersSnapshot, HubSettings};
use futures_util::StreamExt as _;
use tokio::task::JoinSet;

use crate::daemon::Daemon;
use crate::network::{Network, secret_of};
use crate::{eventually, in_time};

pub fn device() -> Credentials {
    Credentials::Device {
        uuid: Some("screen".to_owned()),
        secret: Some(secret_of("screen")),
        allow_pairing: false,
    }
}

pub fn user() -> Credentials {
    Credentials::User {
        username: "ada".to_owned(),
        password: Secret::new("password"),
        organization: "demo".to_owned(),
    }
}

pub fn consumer_app() -> Credentials {
    Credentials::ConsumerApp {
        uuid: "app".to_owned(),
        api_key: Secret::new("app key"),
    }
}

pub fn unpaired() -> Credentials {
    Credentials::Device {
        uuid: None,
        secret: None,
        allow_pairing: true,
    }
}

pub fn menu() -> Channel {
    Channel::new("menu")
}

pub fn json(text: &str) -> Payload {
    Payload::parse(text).unwrap()
}

/// Network and daemon. Dropping it ends both.
pub struct World {
    pub network: Network,
    pub daemon: Daemon,
}

impl World {
    /// A network, and a daemon that is logged in to it as a device.
    pub async fn new() -> Self {
        Self::with(&[("default", device())]).await
    }

    /// A network, and a daemon with these identities.
    pub async fn with(identities: &[(&str, Credentials)]) -> Self {
        Self::tuned(identities, |_| {}).await
    }

    /// As [`World::with`], on a network that is set otherwise.
    pub async fn tuned(
        identities: &[(&str, Credentials)],
        tune: impl FnOnce(&mut HubSettings),
    ) -> Self {
        let mut world = Self::dark(identities, tune).await;
        world.network.start_again().await;
        world.daemon.start_again();
        world
    }

    /// Nothing runs yet; the network's address is known.
    pub async fn dark(
        identities: &[(&str, Credentials)],
        tune: impl FnOnce(&mut HubSettings),
    ) -> Self {
        let network = Network::dark(&["screen"], tune).await;
        let mut settings = Settings::default();
        for (name, credentials) in identities {
            let instance = InstanceSettings::new(network.url(), credentials.clone());
            settings.instances.insert((*name).to_owned(), instance);
        }
        Self {
            network,
            daemon: Daemon::dark(settings),
        }
    }

    pub fn socket(&self) -> PathBuf {
        self.daemon.socket()
    }

    pub async fn client(&self) -> Client {
        self.daemon.client().await
    }

    pub async fn counters(&self) -> CountersSnapshot {
        self.network.counters().await
    }

    /// Waits until an instance's link is as wanted.
    pub async fn link(&self, instance: &str, wanted: LinkState) {
        let client = self.client().await;
        let what = format!("{instance} is {wanted:?}");
        eventually(&what, async || {
            let status = client.status().await.unwrap();
            let found = status.instances.iter().find(|it| it.instance == instance);
            let link = &found.unwrap().link;
            (link.state == wanted)
                .then_some(())
                .ok_or(format!("{link:?}"))
        })
        .await;
    }

    /// A listener whose channel is confirmed.
    pub async fn ear(&self, listen: &Listen) -> Ear {
        let mut ear = self.deaf_ear(listen).await;
        while ear.subscription().await != SubscriptionState::Confirmed {}
        ear
    }

    /// A listener as it is from the first moment on.
    pub async fn deaf_ear(&self, listen: &Listen) -> Ear {
        Ear(self.client().await.listen(listen).await.unwrap())
    }
}

/// The daemon's own words about a call that it refused.
pub fn refusal<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> Refusal {
    match answer {
        Err(ClientError::Refused(refusal)) => *refusal,
        other => panic!("not refused by the daemon: {other:?}"),
    }
}

/// A stream, read event by event.
pub struct Ear(pub EventStream);

impl Ear {
    pub async fn event(&mut self) -> Result<Event, ClientError> {
        let event = in_time("an event", self.0.next()).await;
        let event = event.expect("the stream ended");
        event.map(|event| event.event)
    }

    pub async fn broadcast(&mut self) -> Broadcast {
        match self.event().await.unwrap() {
            Event::Broadcast(broadcast) => broadcast,
            other => panic!("not a broadcast: {other:?}"),
        }
    }

    pub async fn subscription(&mut self) -> SubscriptionState {
        match self.event().await.unwrap() {
            Event::Subscription(subscription) => subscription.state,
            other => panic!("not a subscription: {other:?}"),
        }
    }

    pub async fn gap(&mut self) -> GapReason {
        match self.event().await.unwrap() {
            Event::Gap(gap) => gap.reason,
            other => panic!("not a gap: {other:?}"),
        }
    }
}

/// Hears the next broadcast and responds to it, in the background of the returned set.
pub fn responder(mut ear: Ear, client: Client, answer: &'static str) -> JoinSet<Ear> {
    let mut task = JoinSet::new();
    task.spawn(async move {
        let heard = ear.broadcast().await;
        let payload = json(answer);
        let responded = client.respond("", &heard.id, &heard.channel_id, &payload);
        responded.await.unwrap();
        ear
    });
    task
}
