//! A session with its calls, as the daemon puts them together.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use expd::config::{
    BroadcastChannelForm, ChannelIdSpelling, Credentials, HostsChoice, InstanceSettings,
    ProtocolChoice, SocketLibrary, TransportChoice,
};
use expd::metrics::Counters;
use expd::upstream::api::ApiClient;
use expd::upstream::session::{LoggedIn, Session, SessionState, SessionTimings};
use expd_domain::{ApiPath, Secret};
use expd_test_support::cloud::{Reply, Request, session};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use expd_test_support::{DEADLINE, until};

pub const HOUR: Duration = Duration::from_secs(3600);

/// A path of the API that is well-formed.
pub fn api_path(text: &str) -> ApiPath {
    ApiPath::parse(text).unwrap()
}

pub fn device(uuid: &str, secret: &str) -> Credentials {
    Credentials::Device {
        uuid: Some(uuid.into()),
        secret: Some(Secret::new(secret)),
        allow_pairing: false,
    }
}

pub fn settings(host: &str, credentials: Credentials) -> InstanceSettings {
    InstanceSettings {
        host: host.to_owned(),
        transport: TransportChoice::Auto,
        protocol: ProtocolChoice::Auto,
        socket_library: SocketLibrary::Own,
        hosts: HostsChoice::Announced,
        network: true,
        proxy: None,
        ca_file: None,
        channel_id: ChannelIdSpelling::Both,
        broadcast_channel: BroadcastChannelForm::Object,
        credentials,
    }
}

/// Waits in milliseconds where the daemon's are in seconds or minutes.
pub fn hurried() -> SessionTimings {
    let millis = Duration::from_millis;
    SessionTimings {
        answer: Duration::from_secs(2),
        retry: (millis(20), millis(200)),
        refused: (millis(300), millis(600)),
        accepted_before: millis(30),
        renewal: (millis(100), millis(1000)),
        saving: (millis(20), millis(200)),
    }
}

/// One identity: its session's task runs until it is dropped.
pub struct Instance {
    pub session: Session,
    pub api: ApiClient,
    pub counters: Arc<Counters>,
    stop: CancellationToken,
    running: JoinSet<()>,
}

impl Instance {
    pub fn start(settings: &InstanceSettings) -> Self {
        Self::with(settings, None, hurried())
    }

    pub fn with(
        settings: &InstanceSettings,
        state_dir: Option<&Path>,
        timing: SessionTimings,
    ) -> Self {
        let counters = Arc::new(Counters::default());
        let (session, task) =
            Session::new("default", settings, state_dir, counters.clone()).unwrap();
        let api = ApiClient::new(session.clone());
        let stop = CancellationToken::new();
        let mut running = JoinSet::new();
        running.spawn(task.with_timings(timing).run(stop.clone()));
        Self {
            session,
            api,
            counters,
            stop,
            running,
        }
    }

    /// Waits until the state is as wanted.
    pub async fn becomes(&self, wanted: impl Fn(&SessionState) -> bool) -> SessionState {
        let mut states = self.session.watch();
        let found = tokio::time::timeout(DEADLINE, states.wait_for(|state| wanted(state))).await;
        let Ok(state) = found else {
            panic!("the state stays {:?}", self.session.state());
        };
        state.unwrap().clone()
    }

    pub async fn logs_in(&self) -> Arc<LoggedIn> {
        self.newer_than(0).await
    }

    pub async fn newer_than(&self, serial: u64) -> Arc<LoggedIn> {
        let newer = |state: &SessionState| state.session().is_some_and(|s| s.serial > serial);
        self.becomes(newer).await.session().unwrap().clone()
    }

    pub async fn stop(mut self) {
        self.stop.cancel();
        tokio::time::timeout(DEADLINE, self.running.join_next())
            .await
            .expect("the session's task ends")
            .unwrap()
            .unwrap();
    }
}

pub fn is_refused(state: &SessionState) -> bool {
    matches!(state, SessionState::Refused { .. })
}

pub fn is_failed(state: &SessionState) -> bool {
    matches!(state, SessionState::Failed { .. })
}

/// Tokens `t1`, `t2`, … that live so long.
pub fn numbered(life: Duration) -> impl Fn(&Request, usize) -> Reply + Send + Sync {
    let count = std::sync::atomic::AtomicUsize::new(0);
    move |request, _| {
        if request.is_login() || request.is_refresh() {
            let number = 1 + count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            session(&format!("t{number}"), life)
        } else {
            Reply::new(200, "[]")
        }
    }
}
