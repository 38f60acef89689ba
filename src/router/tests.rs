//! Tests of the router through its handle.

mod bounds;
mod gaps;
mod transient;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::FutureExt as _;
use tokio::task::JoinSet;

use super::*;
use crate::config::Limits;
use expd_domain::{Broadcast, BroadcastId, Channel, ChannelId, GapReason, Overflow, Payload};

const HOME: InstanceId = InstanceId(0);

struct RouterFixture {
    router: RouterHandle,
    _tasks: JoinSet<()>,
}

fn fixture(limits: Limits) -> RouterFixture {
    let (router, handle) = Router::new(RouterSettings {
        limit_hits: crate::shares::LimitHits::default(),
        instances: vec!["default".to_owned(), "second".to_owned()],
        limits,
        encode: |first, run| {
            let mut text = String::new();
            let mut ends = Vec::new();
            for (sequence, incoming) in (first..).zip(run) {
                text.extend([
                    &sequence.to_string(),
                    ":",
                    incoming.broadcast.payload.as_str(),
                ]);
                ends.push(text.len());
            }
            let bytes = text.into();
            EncodedBatch { bytes, ends }
        },
    });
    let mut tasks = JoinSet::new();
    tasks.spawn(router.run());
    RouterFixture {
        router: handle,
        _tasks: tasks,
    }
}

fn spec(name: Option<&str>) -> ListenSpec {
    ListenSpec {
        name: name.map(str::to_owned),
        ..ListenSpec::new(Channel::new("menu"))
    }
}

impl RouterFixture {
    async fn listen(&self, spec: ListenSpec) -> Listener {
        self.router.open(HOME, spec).await.unwrap()
    }

    async fn broadcast(&self, names: &[&str]) {
        self.broadcast_on(HOME, "menu", names).await;
    }

    async fn broadcast_on(&self, instance: InstanceId, channel: &str, names: &[&str]) {
        let incoming = names.iter().map(|name| Incoming {
            channel: Arc::new(Channel::new(channel)),
            broadcast: Broadcast {
                id: BroadcastId::new("id"),
                name: (*name).to_owned(),
                channel: ChannelId::from_wire("c"),
                payload: Payload::null(),
            },
            received: Moment::now(),
            received_at: SystemTime::now(),
        });
        let report = Report::Broadcasts(incoming.collect());
        self.router.report(instance, report).await;
        // The answer comes after everything before it was done.
        self.router.snapshot().await.unwrap();
    }

    async fn confirm(&self) {
        let channels = vec![Arc::new(Channel::new("menu"))];
        self.router.report(HOME, Report::Confirmed(channels)).await;
        self.router.snapshot().await.unwrap();
    }

    async fn lose(&self) {
        let since = Moment::now();
        self.router.report(HOME, Report::Down { since }).await;
        self.router.snapshot().await.unwrap();
    }
}

/// Describes every event that is ready for a listener.
fn heard(listener: &mut Listener) -> Vec<String> {
    let mut words = Vec::new();
    loop {
        let mut read = Vec::new();
        match listener.read_some(&mut read).now_or_never() {
            None => return words,
            Some(Err(ended)) => {
                words.push(format!("{ended:?}"));
                return words;
            }
            Some(Ok(())) => words.extend(read.iter().map(in_words)),
        }
    }
}

fn in_words(delivery: &Delivery) -> String {
    match &delivery.event {
        Event::Subscription(state, _) => format!("{state:?}"),
        Event::Broadcast(record) => format!("{}@{}", record.name, delivery.sequence),
        Event::Gap(gap) => format!("{:?} {}", gap.reason, gap.missed),
    }
}

#[tokio::test]
async fn a_stream_tells_state_and_broadcasts_in_order() {
    let fixture = fixture(Limits::default());
    let mut all = fixture.listen(spec(None)).await;
    let mut hi = fixture.listen(spec(Some("hi"))).await;
    fixture.confirm().await;
    fixture.broadcast(&["hi", "ho", "hi"]).await;
    assert_eq!(
        heard(&mut all),
        ["Pending", "Confirmed", "hi@2", "ho@3", "hi@4"]
    );
    assert_eq!(heard(&mut hi), ["Pending", "Confirmed", "hi@2", "hi@4"]);
}

#[tokio::test]
async fn an_outage_is_pending_then_a_gap_then_confirmed() {
    let fixture = fixture(Limits::default());
    let mut listener = fixture.listen(spec(None)).await;
    fixture.confirm().await;
    fixture.lose().await;
    fixture.confirm().await;
    fixture.broadcast(&["hi"]).await;
    assert_eq!(
        heard(&mut listener),
        [
            "Pending",
            "Confirmed",
            "Pending",
            "Offline 0",
            "Confirmed",
            "hi@5"
        ]
    );
}

#[tokio::test]
async fn a_slow_listener_is_told_how_many_of_its_own_events_it_missed() {
    let fixture = fixture(Limits {
        log_events: 4,
        ..Limits::default()
    });
    let mut all = fixture.listen(spec(None)).await;
    let mut hi = fixture.listen(spec(Some("hi"))).await;
    fixture.confirm().await;
    assert_eq!(heard(&mut all).len() + heard(&mut hi).len(), 4);
    fixture
        .broadcast(&["hi", "ho", "hi", "ho", "hi", "ho", "ho"])
        .await;
    assert_eq!(
        heard(&mut all),
        ["Overflow 3", "ho@5", "hi@6", "ho@7", "ho@8"]
    );
    assert_eq!(heard(&mut hi), ["Overflow 2", "hi@6"]);
}

#[tokio::test]
async fn nothing_of_ours_evicted_is_no_gap() {
    let fixture = fixture(Limits {
        log_events: 2,
        ..Limits::default()
    });
    let mut hi = fixture.listen(spec(Some("hi"))).await;
    fixture.confirm().await;
    assert_eq!(heard(&mut hi).len(), 2);
    fixture.broadcast(&["ho", "ho", "ho", "hi"]).await;
    assert_eq!(heard(&mut hi), ["hi@5"]);
}

#[tokio::test]
async fn an_outage_that_left_the_log_is_still_told() {
    let fixture = fixture(Limits {
        log_events: 2,
        ..Limits::default()
    });
    let mut hi = fixture.listen(spec(Some("hi"))).await;
    fixture.confirm().await;
    assert_eq!(heard(&mut hi).len(), 2);
    fixture.lose().await;
    fixture.confirm().await;
    fixture.broadcast(&["ho", "ho", "ho"]).await;
    assert_eq!(heard(&mut hi), ["Offline 0"]);
}

#[tokio::test]
async fn a_listener_that_asked_for_it_ends_when_it_falls_behind() {
    let fixture = fixture(Limits {
        log_events: 2,
        ..Limits::default()
    });
    let cancel = ListenSpec {
        overflow: Overflow::Cancel,
        ..spec(None)
    };
    let mut listener = fixture.listen(cancel).await;
    fixture.broadcast(&["a", "b", "c"]).await;
    assert_eq!(heard(&mut listener), ["Pending", "Overflow"]);
}

#[tokio::test]
async fn a_resumed_stream_goes_on_where_it_was() {
    let fixture = fixture(Limits::default());
    let first = fixture.listen(spec(None)).await;
    fixture.confirm().await;
    fixture.broadcast(&["a", "b", "c"]).await;
    let resume = |log_id: &str, after| ListenSpec {
        resume: Some(Resume {
            log_id: log_id.to_owned(),
            after,
        }),
        ..spec(None)
    };
    let log_id = first.log_id().to_owned();
    drop(first);
    let mut again = fixture.listen(resume(&log_id, 2)).await;
    assert_eq!(heard(&mut again), ["Confirmed", "b@3", "c@4"]);
    let mut stranger = fixture.listen(resume("another", 2)).await;
    assert_eq!(
        heard(&mut stranger),
        ["Pending", "Restarted 0", "Confirmed", "a@2", "b@3", "c@4"]
    );
    let ahead = fixture.router.open(HOME, resume(&log_id, 5)).await;
    assert!(matches!(
        ahead,
        Err(RouterError::ResumeAhead { newest: 4, .. })
    ));
}

#[tokio::test]
async fn resuming_beyond_the_log_is_told_with_the_count() {
    let fixture = fixture(Limits {
        log_events: 2,
        ..Limits::default()
    });
    let first = fixture.listen(spec(None)).await;
    fixture.confirm().await;
    fixture.broadcast(&["a", "b", "c", "d"]).await;
    let resume = Some(Resume {
        log_id: first.log_id().to_owned(),
        after: 5,
    });
    let mut at_the_end = fixture
        .listen(ListenSpec {
            resume,
            ..spec(None)
        })
        .await;
    assert_eq!(heard(&mut at_the_end), ["Confirmed"]);
    let resume = Some(Resume {
        log_id: first.log_id().to_owned(),
        after: 2,
    });
    let mut beyond = fixture
        .listen(ListenSpec {
            resume,
            ..spec(None)
        })
        .await;
    assert_eq!(
        heard(&mut beyond),
        ["Confirmed", "Overflow 1", "c@4", "d@5"]
    );
}

#[tokio::test]
async fn a_gap_spans_everything_that_was_missed() {
    let limits = Limits {
        log_events: 2,
        ..Limits::default()
    };
    let fixture = fixture(limits);
    let mut slow = fixture.listen(spec(None)).await;
    fixture.confirm().await;
    fixture.broadcast(&["a"]).await;
    heard(&mut slow);
    let start = Moment::now();
    fixture.broadcast(&["b", "c", "d", "e"]).await;
    let mut read = Vec::new();
    slow.read_some(&mut read).await.unwrap();
    let Event::Gap(gap) = &read[0].event else {
        panic!("{read:?}");
    };
    assert_eq!(gap.missed, 2);
    assert!(
        gap.from.is_some_and(|from| from <= start),
        "{gap:?} starts after {start:?}"
    );
    assert!(gap.to > start);
}

#[tokio::test(start_paused = true)]
async fn old_events_expire_and_old_ones_are_skipped_on_request() {
    let fixture = fixture(Limits::default());
    let mut patient = fixture.listen(spec(None)).await;
    let mut young = fixture
        .listen(ListenSpec {
            max_age: Some(Duration::from_secs(10)),
            ..spec(None)
        })
        .await;
    fixture.confirm().await;
    assert_eq!(heard(&mut patient).len() + heard(&mut young).len(), 4);
    fixture.broadcast(&["a", "b"]).await;
    tokio::time::advance(Duration::from_secs(20)).await;
    fixture.broadcast(&["c"]).await;
    assert_eq!(heard(&mut young), ["Expired 2", "c@4"]);
    tokio::time::advance(Duration::from_secs(50)).await;
    fixture.broadcast(&["d"]).await;
    assert_eq!(heard(&mut patient), ["Expired 2", "c@4", "d@5"]);
}

#[tokio::test(start_paused = true)]
async fn a_deserted_channel_lingers_and_then_goes() {
    let fixture = fixture(Limits::default());
    let wanted = fixture.router.wanted(HOME).unwrap();
    let listener = fixture.listen(spec(None)).await;
    assert_eq!(wanted.borrow().after(0).0.len(), 1);
    drop(listener);
    tokio::time::sleep(Duration::from_secs(50)).await;
    assert_eq!(wanted.borrow().len(), 1);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert!(wanted.borrow().is_empty());
    assert!(
        fixture.router.snapshot().await.unwrap()[&HOME]
            .channels
            .is_empty()
    );
}

#[tokio::test]
async fn contexts_end_over_all_instances_and_ids_end_one() {
    let fixture = fixture(Limits::default());
    let tagged = ListenSpec {
        context: "app".to_owned(),
        ..spec(None)
    };
    let mut here = fixture.listen(tagged.clone()).await;
    let mut there = fixture.router.open(InstanceId(1), tagged).await.unwrap();
    let mut other = fixture.listen(spec(None)).await;
    assert_eq!(
        fixture
            .router
            .clear_context("app".to_owned(), |_| true)
            .await,
        Ok(2)
    );
    assert_eq!(
        fixture
            .router
            .clear_context("app".to_owned(), |_| true)
            .await,
        Ok(0)
    );
    assert_eq!(heard(&mut here), ["Cancelled"]);
    assert_eq!(heard(&mut there), ["Cancelled"]);
    assert_eq!(heard(&mut other), ["Pending"]);
    let id = other.info().id.clone();
    assert_eq!(fixture.router.cancel(id.clone()).await, Ok(()));
    assert_eq!(heard(&mut other), ["Cancelled"]);
    assert_eq!(
        fixture.router.cancel(id.clone()).await,
        Err(RouterError::UnknownListener(id))
    );
}

#[tokio::test]
async fn stopping_ends_every_stream_with_that_reason() {
    let fixture = fixture(Limits::default());
    let mut listener = fixture.listen(spec(None)).await;
    fixture.router.stop().await;
    assert_eq!(heard(&mut listener), ["Pending", "Stopping"]);
    assert!(matches!(
        fixture.router.open(HOME, spec(None)).await,
        Err(RouterError::Stopping)
    ));
}

#[tokio::test]
async fn a_stopping_router_hands_over_what_has_come_and_a_cancelled_listener_hears_no_more() {
    let fixture = fixture(Limits::default());
    let mut listener = fixture.listen(spec(None)).await;
    let mut cancelled = fixture.listen(spec(None)).await;
    fixture.confirm().await;
    fixture.broadcast(&["hi", "ho"]).await;
    let id = cancelled.info().id.clone();
    fixture.router.cancel(id).await.unwrap();
    fixture.router.stop().await;
    assert_eq!(
        heard(&mut listener),
        ["Pending", "Confirmed", "hi@2", "ho@3", "Stopping"]
    );
    assert_eq!(heard(&mut cancelled), ["Cancelled"]);
}
