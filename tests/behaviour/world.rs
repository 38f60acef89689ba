//! A network with everybody who may log in to it, a daemon, and clients; each part can be stopped and started again.

#[path = "../ports/mod.rs"]
mod ports;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use expd::config::settings::InstanceSettings;
use expd::config::{Credentials, Settings};
use expd::daemon::{self, DaemonError, Listeners, ServeParts};
use expd::ipc::{self, Listener, SocketPath};
use expd_client::{
    Broadcast, Client, ClientError, Event, EventStream, GapReason, LinkState, Listen, Refusal,
    SubscriptionState,
};
use expd_domain::{Channel, Payload, Secret};
use expd_hub::{
    CountersSnapshot, Hub, HubConsumerApp, HubDevice, HubSettings, HubUser, hash_password, operator,
};
use futures_util::StreamExt as _;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How long anything may take on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Hashed once: it takes its time on purpose.
static PASSWORD_HASH: LazyLock<String> =
    LazyLock::new(|| hash_password(&Secret::new("password")).unwrap());

/// What the operator proves itself with.
pub fn operator_key() -> Secret {
    Secret::new("operator key")
}

pub fn device() -> Credentials {
    Credentials::Device {
        uuid: Some("screen".to_owned()),
        secret: Some(Secret::new("screen secret")),
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
    pub hub: HubSettings,
    pub settings: Settings,
    folder: TempDir,
    network: Running<()>,
    daemon: Running<Result<(), DaemonError>>,
}

/// Something that serves in a task until it is told to stop.
struct Running<T> {
    stop: CancellationToken,
    task: JoinSet<T>,
}

impl<T: 'static> Running<T> {
    fn none() -> Self {
        Self {
            stop: CancellationToken::new(),
            task: JoinSet::new(),
        }
    }

    async fn stop(&mut self) -> Option<T> {
        self.stop.cancel();
        let ended = timeout(DEADLINE, self.task.join_next()).await;
        ended.expect("it does not stop").map(Result::unwrap)
    }
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
        world.start_network().await;
        world.start_daemon();
        world
    }

    /// Nothing runs yet; the network's address is known.
    pub async fn dark(
        identities: &[(&str, Credentials)],
        tune: impl FnOnce(&mut HubSettings),
    ) -> Self {
        let mut hub = HubSettings {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            devices: vec![HubDevice {
                uuid: "screen".to_owned(),
                secret: Secret::new("screen secret"),
            }],
            users: vec![HubUser {
                username: "ada".to_owned(),
                password_hash: PASSWORD_HASH.clone(),
            }],
            consumer_apps: vec![HubConsumerApp {
                uuid: "app".to_owned(),
                api_key: Secret::new("app key"),
            }],
            token_key: Some(Secret::new("token key")),
            operator_key: Some(operator_key()),
            ..HubSettings::default()
        };
        tune(&mut hub);
        hub.listen = Hub::bind(&hub).await.unwrap().local_addr();
        let mut settings = Settings::default();
        for (name, credentials) in identities {
            let instance =
                InstanceSettings::new(format!("http://{}", hub.listen), credentials.clone());
            settings.instances.insert((*name).to_owned(), instance);
        }
        Self {
            hub,
            settings,
            folder: tempfile::tempdir().unwrap(),
            network: Running::none(),
            daemon: Running::none(),
        }
    }

    pub async fn start_network(&mut self) {
        let hub = ports::bind(&self.hub).await;
        self.network = Running::none();
        let stop = self.network.stop.clone();
        self.network
            .task
            .spawn(async move { hub.serve(stop).await.unwrap() });
    }

    /// The network's next start knows none of the tokens that were issued so far: its key has changed.
    pub fn forget_tokens(&mut self) {
        self.hub.token_key = Some(Secret::new("another token key"));
    }

    pub async fn stop_network(&mut self) {
        self.network.stop().await;
    }

    pub fn start_daemon(&mut self) {
        let place = SocketPath::named(self.socket());
        let mut listeners = Listeners::default();
        listeners.add(Listener::unix(ipc::bind(&place, 0o600, None).unwrap()).unwrap());
        self.daemon = Running::none();
        let (settings, stop, state) = (
            self.settings.clone(),
            self.daemon.stop.clone(),
            self.state_dir(),
        );
        self.daemon.task.spawn(async move {
            let parts = ServeParts {
                state_dir: Some(&state),
                ..ServeParts::new(&settings, listeners, stop)
            };
            daemon::serve(parts, |_| {}).await
        });
    }

    pub async fn stop_daemon(&mut self) {
        self.daemon.stop().await.expect("a daemon").unwrap();
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("expd.sock")
    }

    pub fn state_dir(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.hub.listen)
    }

    pub async fn client(&self) -> Client {
        Client::connect(Some(self.socket())).await.unwrap()
    }

    pub async fn counters(&self) -> CountersSnapshot {
        operator::counters(&self.url(), Some(&operator_key()))
            .await
            .unwrap()
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

/// Asks again and again until the answer is good; tells the last one when it never was.
/// A connection to the daemon as any gRPC client has it.
pub async fn channel(world: &World) -> tonic::transport::Channel {
    let socket = world.socket();
    let connect = tower::service_fn(move |_: http::Uri| {
        let socket = socket.clone();
        async move {
            let stream = tokio::net::UnixStream::connect(socket).await?;
            Ok::<_, std::io::Error>(hyper_util::rt::TokioIo::new(stream))
        }
    });
    let endpoint = tonic::transport::Endpoint::from_static("http://localhost");
    endpoint.connect_with_connector(connect).await.unwrap()
}

pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(seen) => assert!(Instant::now() < end, "never: {what}; last seen: {seen}"),
        }
        sleep(Duration::from_millis(20)).await;
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
        let next = timeout(DEADLINE, self.0.next()).await;
        let event = next.expect("nothing is heard").expect("the stream ended");
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
