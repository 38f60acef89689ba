//! The router and its surroundings, in one thread and with a stopped clock.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use expd::access::AccessPolicy;
use expd::config::Limits;
use expd::router::{
    Incoming, InstanceId, LimitHits, ListenSpec, Listener, Moment, Report, Router, RouterHandle,
    RouterSettings,
};
use expd::rpc;
use expd_domain::{Alphabet, Broadcast, BroadcastId, Channel, ChannelId, Payload};
use http_body::Body;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinSet;

const HOME: InstanceId = InstanceId(0);

/// Arrival time in the broadcasts; fixed, because the length of its encoding depends on the time.
const ARRIVED: Duration = Duration::from_millis(1_700_000_000_123);

/// With its envelope 200 bytes on the wire.
pub const TEXT: usize = 86;

/// A router with one channel.
pub struct World {
    runtime: Runtime,
    router: RouterHandle,
    channel: Arc<Channel>,
    id: ChannelId,
    _tasks: JoinSet<()>,
}

impl World {
    pub fn new() -> Self {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let (task, router) = Router::new(RouterSettings {
            instances: vec!["default".to_owned()],
            limits: Limits::default(),
            encode: rpc::frame::encode,
            limit_hits: LimitHits::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn_on(task.run(), runtime.handle());
        let channel = Channel::new("menu");
        Self {
            runtime,
            router,
            id: ChannelId::encode("scala", &channel, Alphabet::UrlSafe),
            channel: Arc::new(channel),
            _tasks: tasks,
        }
    }

    /// Opens a listener; the channel is subscribed with the first.
    pub fn listen(&self) -> Listener {
        let spec = ListenSpec::new(Channel::clone(&self.channel));
        self.runtime.block_on(self.router.open(HOME, spec)).unwrap()
    }

    /// Broadcasts as in a link's report on one read.
    pub fn broadcasts(&self, count: u32) -> Report {
        let _clock = self.runtime.enter();
        let received = Moment::now();
        let broadcast = || Incoming {
            channel: self.channel.clone(),
            broadcast: Broadcast {
                id: BroadcastId::new("5f0c2f9e6f"),
                name: "tick".to_owned(),
                channel: self.id.clone(),
                payload: Payload::parse(format!(r#"{{"text":"{}"}}"#, "x".repeat(TEXT))).unwrap(),
            },
            received,
            received_at: SystemTime::UNIX_EPOCH + ARRIVED,
        };
        Report::Broadcasts((0..count).map(|_| broadcast()).collect())
    }

    /// Hands reports to the router, and waits until it has handled them.
    pub fn report(&self, reports: impl IntoIterator<Item = Report>) {
        self.runtime.block_on(async {
            for report in reports {
                self.router.report(HOME, report).await;
            }
            // Lets the router run. A snapshot would wait for it as well, but cost more than
            // everything else.
            tokio::task::yield_now().await;
        });
    }

    /// Advances the clock, so that nothing is delayed because something arrived just before.
    pub fn pass(&self, time: Duration) {
        self.runtime.block_on(tokio::time::advance(time));
    }
}

/// The body of one stream.
type Stream = Pin<Box<dyn Body<Data = Bytes, Error = Infallible>>>;

/// The streams of `Listen`, read as HTTP/2 reads them when there is room.
pub struct Streams {
    streams: Vec<Stream>,
    /// Held as in the daemon: each stream checks whether the policy has changed.
    _access: watch::Sender<Arc<AccessPolicy>>,
}

impl Streams {
    /// Opens streams, and reads their first event.
    pub fn new(world: &World, count: u32) -> Self {
        let (policies, access) = watch::channel(Arc::new(AccessPolicy::new(&[])));
        let stream = |_| -> Stream { Box::pin(rpc::bench::stream(world.listen(), access.clone())) };
        let mut streams = Self {
            streams: (0..count).map(stream).collect(),
            _access: policies,
        };
        streams.read(world);
        streams
    }

    /// Reads everything available, and returns the number of bytes.
    pub fn read(&mut self, world: &World) -> usize {
        let _clock = world.runtime.enter();
        let mut context = Context::from_waker(Waker::noop());
        let mut bytes = 0;
        for stream in &mut self.streams {
            while let Poll::Ready(frame) = stream.as_mut().poll_frame(&mut context) {
                let frame = frame.expect("a stream does not end").unwrap();
                bytes += frame.into_data().expect("a stream has no trailers").len();
            }
        }
        bytes
    }
}
