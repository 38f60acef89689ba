//! Tests of the idle timeout, with paused time.

use futures_util::FutureExt as _;
use tokio::task::JoinSet;

use super::*;
use crate::config::Limits;
use crate::router::{InstanceId, ListenSpec, Router, RouterError, RouterHandle, RouterSettings};
use crate::rpc::frame::encode;
use crate::shares::{Holder, Shares};
use expd_domain::Channel;

const HOME: InstanceId = InstanceId(0);

/// Listeners in pull form, swept as in the daemon, and the router that they belong to.
struct PullFixture {
    listeners: PullListeners,
    router: RouterHandle,
    _tasks: JoinSet<()>,
}

fn fixture() -> PullFixture {
    let (router, handle) = Router::new(RouterSettings {
        instances: vec!["default".to_owned()],
        limits: Limits::default(),
        encode,
        limit_hits: crate::shares::LimitHits::default(),
    });
    let mut tasks = JoinSet::new();
    tasks.spawn(router.run());
    let listeners = PullListeners::default();
    let sweeps = listeners.clone().sweep_until(CancellationToken::new());
    tasks.spawn(sweeps);
    PullFixture {
        listeners,
        router: handle,
        _tasks: tasks,
    }
}

impl PullFixture {
    async fn open(&self) -> String {
        let memory = Memory::new(Shares::new(1 << 30), Holder::Owner);
        let spec = ListenSpec::new(Channel::new("menu"));
        let listener = self.router.open(HOME, spec).await.unwrap();
        let encoder = EventEncoder::new(&listener, proto::PayloadForm::Json, String::new);
        self.listeners.insert(listener, encoder, memory)
    }

    /// One call that asks and takes what is there.
    fn ask(&self, id: &str) -> Result<(), PullError> {
        let mut taken = self.listeners.check_out(id, Acknowledgement::default())?;
        // Nothing new is no error.
        if let Some(event) = taken.next().now_or_never() {
            event.unwrap();
        }
        Ok(())
    }

    /// The number of listeners that the router knows.
    async fn count(&self) -> usize {
        self.router.snapshot().await.unwrap()[&HOME].listeners.len()
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_nobody_asks_for_a_minute_is_cancelled() {
    let fixture = fixture();
    let id = fixture.open().await;
    assert_eq!(fixture.ask(&id), Ok(()));
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert_eq!(fixture.count().await, 1);
    // The next sweep is at most five seconds late.
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(fixture.ask(&id), Err(PullError::Unknown(id.clone())));
    assert_eq!(fixture.count().await, 0);
    assert_eq!(
        fixture.router.cancel(id.clone()).await,
        Err(RouterError::UnknownListener(id))
    );
}

#[tokio::test(start_paused = true)]
async fn each_call_gives_a_listener_another_minute() {
    let fixture = fixture();
    let (asked, idle) = (fixture.open().await, fixture.open().await);
    for _ in 0..6 {
        tokio::time::sleep(Duration::from_secs(50)).await;
        assert_eq!(fixture.ask(&asked), Ok(()));
    }
    assert_eq!(fixture.ask(&idle), Err(PullError::Unknown(idle.clone())));
    assert_eq!(fixture.count().await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_listener_is_kept_while_a_call_waits_on_it() {
    let fixture = fixture();
    let id = fixture.open().await;
    let check_out = || {
        let taken = fixture.listeners.check_out(&id, Acknowledgement::default());
        taken.unwrap()
    };
    // The first event is the subscription's state.
    let mut first = check_out();
    first.next().await.unwrap();
    HandOut::new(first).complete();
    let mut waiting = check_out();
    let none = tokio::time::timeout(Duration::from_secs(600), waiting.next());
    assert!(none.await.is_err());
    assert_eq!(fixture.ask(&id), Err(PullError::Busy(id.clone())));
    // The minute begins with the end of the call.
    drop(waiting);
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert_eq!(fixture.ask(&id), Ok(()));
    tokio::time::sleep(Duration::from_secs(66)).await;
    assert_eq!(fixture.ask(&id), Err(PullError::Unknown(id)));
}
