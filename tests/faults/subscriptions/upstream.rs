//! A session, a link and a router with quick times, and what a listener of it hears.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use expd::config::settings::InstanceSettings;
use expd::config::{Credentials, Limits, ProtocolChoice, SocketLibrary, TransportChoice};
use expd::metrics::Counters;
use expd::router::{
    EncodedBatch, Event, ListenSpec, Listener, Router, RouterHandle, RouterSettings,
};
use expd::upstream::link::{Link, LinkParts, LinkStatus, LinkTimings};
use expd::upstream::session::Session;
use expd_domain::{Channel, Secret};
use expd_test_support::DEADLINE;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::HOME;
use crate::script::DEVICE;

/// Time for which a channel without listeners stays subscribed; the router looks every 5 s.
pub(super) const LINGER: Duration = Duration::from_secs(2);

/// The link's times, a tenth to a fortieth of the real ones.
pub(super) fn quick() -> LinkTimings {
    LinkTimings {
        retry: (Duration::from_millis(100), Duration::from_secs(1)),
        probe_every: Duration::from_secs(1),
        probe_answer: Duration::from_millis(500),
        ask_again: (Duration::from_millis(200), Duration::from_millis(1600)),
        settle: Duration::from_millis(100),
        ..LinkTimings::default()
    }
}

/// A session, a link and a router.
pub(super) struct Upstream {
    pub(super) router: RouterHandle,
    pub(super) status: tokio::sync::watch::Receiver<LinkStatus>,
    stop: CancellationToken,
    _tasks: JoinSet<()>,
}

impl Upstream {
    pub(super) fn start(network: SocketAddr, timings: LinkTimings) -> Self {
        Self::start_through(SocketLibrary::Own, network, timings)
    }

    pub(super) fn start_through(
        library: SocketLibrary,
        network: SocketAddr,
        timings: LinkTimings,
    ) -> Self {
        let credentials = Credentials::Device {
            uuid: Some(DEVICE.to_owned()),
            secret: Some(Secret::new("secret")),
            allow_pairing: false,
        };
        let mut settings = InstanceSettings::new(format!("http://{network}"), credentials);
        settings.transport = TransportChoice::Websocket;
        settings.protocol = ProtocolChoice::V4;
        settings.socket_library = library;
        let counters = Arc::new(Counters::default());
        let (router, handle) = Router::new(RouterSettings {
            limit_hits: expd::router::LimitHits::default(),
            instances: vec!["default".to_owned()],
            limits: Limits {
                log_age: LINGER,
                ..Limits::default()
            },
            encode: |_, run| {
                let mut text = String::new();
                let mut ends = Vec::new();
                for incoming in run {
                    text += incoming.broadcast.payload.as_str();
                    ends.push(text.len());
                }
                let bytes = text.into();
                EncodedBatch { bytes, ends }
            },
        });
        let (session, task) = Session::new("test", &settings, None, counters.clone()).unwrap();
        let stop = CancellationToken::new();
        let (link, status) = Link::new(LinkParts {
            name: "test".to_owned(),
            instance: HOME,
            network: true,
            session,
            router: handle.clone(),
            max_message: usize::MAX,
            wanted: handle.wanted(HOME).unwrap(),
            counters,
            timings,
            shutdown: stop.clone(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(router.run());
        tasks.spawn(task.run(stop.clone()));
        tasks.spawn(link.run());
        Self {
            router: handle,
            status,
            stop,
            _tasks: tasks,
        }
    }

    /// Listens on so many channels, until the last of them is confirmed, and leaves them.
    pub(super) async fn pass_through(&self, name: &str, channels: usize) {
        let mut left = Vec::new();
        for n in 0..channels {
            left.push(self.listen(Channel::new(format!("{name} {n}"))).await);
        }
        if let Some(last) = left.last_mut() {
            last.until("Confirmed", DEADLINE).await;
        }
    }

    /// Waits until the status' last error is as wanted, and returns it.
    pub(super) async fn last_error(&self, is_so: impl Fn(Option<&str>) -> bool) -> Option<String> {
        let mut status = self.status.clone();
        let found = status.wait_for(|status| is_so(status.last_error.as_deref()));
        let found = timeout(DEADLINE, found).await;
        let Ok(found) = found else {
            panic!("the last error stays {:?}", self.status.borrow().last_error);
        };
        found.unwrap().last_error.clone()
    }

    pub(super) async fn listen(&self, channel: Channel) -> Hearing {
        let spec = ListenSpec::new(channel);
        Hearing {
            listener: self.router.open(HOME, spec).await.unwrap(),
            words: Vec::new(),
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(super) struct Hearing {
    listener: Listener,
    pub(super) words: Vec<String>,
}

impl Hearing {
    /// Waits until the last thing heard is this.
    pub(super) async fn until(&mut self, word: &str, within: Duration) {
        let wait = async {
            while self.words.last().is_none_or(|last| last != word) {
                let mut read = Vec::new();
                self.listener.read_some(&mut read).await.unwrap();
                for delivery in read {
                    self.words.push(match delivery.event {
                        Event::Subscription(state, _) => format!("{state:?}"),
                        Event::Broadcast(record) => String::from_utf8_lossy(&record.frame()).into(),
                        Event::Gap(gap) => format!("{:?}", gap.reason),
                    });
                    if self.words.last().is_some_and(|last| last == word) {
                        return;
                    }
                }
            }
        };
        let in_time = timeout(within, wait).await.is_ok();
        assert!(in_time, "no {word} within {within:?}, but {:?}", self.words);
    }
}
