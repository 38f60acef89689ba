//! Events of a listener, written down as they come.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use expd_client::{Client, Event, EventStream, Listen, ListenEvent, SubscriptionState};
use expd_domain::Channel;
use futures_util::StreamExt as _;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::DEADLINE;

/// One event, and when the listener had it.
#[derive(Clone, Debug)]
pub struct Heard {
    pub event: ListenEvent,
    pub at: SystemTime,
}

/// A listener that writes down all that comes.
pub struct Transcript {
    heard: Arc<Mutex<Vec<Heard>>>,
    changed: Arc<tokio::sync::Notify>,
    /// The stream's end, where it has ended.
    pub ended: Arc<Mutex<Option<String>>>,
    _task: JoinSet<()>,
}

impl Transcript {
    pub async fn open(client: &Client, listen: &Listen) -> Self {
        Self::of(client.listen(listen).await.unwrap())
    }

    pub fn of(stream: EventStream) -> Self {
        Self::after(Vec::new(), stream)
    }

    /// Goes on after what an earlier stream brought.
    pub fn after(earlier: Vec<Heard>, mut stream: EventStream) -> Self {
        let heard = Arc::new(Mutex::new(earlier));
        let ended: Arc<Mutex<Option<String>>> = Arc::default();
        let changed: Arc<tokio::sync::Notify> = Arc::default();
        let mut task = JoinSet::new();
        let (book, end, bell) = (heard.clone(), ended.clone(), changed.clone());
        task.spawn(async move {
            while let Some(event) = stream.next().await {
                match event {
                    Ok(event) => book.lock().unwrap().push(Heard {
                        event,
                        at: SystemTime::now(),
                    }),
                    Err(error) => *end.lock().unwrap() = Some(error.to_string()),
                }
                bell.notify_one();
            }
            end.lock()
                .unwrap()
                .get_or_insert_with(|| "ended".to_owned());
            bell.notify_one();
        });
        Self {
            heard,
            changed,
            ended,
            _task: task,
        }
    }

    /// Everything so far.
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// Waits until what was heard is as wanted.
    pub async fn until(
        &self,
        what: &str,
        within: Duration,
        mut good: impl FnMut(&[Heard]) -> bool,
    ) {
        let in_time = timeout(within, self.hears(&mut good)).await.is_ok();
        assert!(
            in_time,
            "{what} did not come within {within:?}; heard: {:#?}",
            tail(&self.heard())
        );
    }

    /// Waits, for however long it takes, until what was heard is as wanted.
    pub async fn hears(&self, mut good: impl FnMut(&[Heard]) -> bool) {
        while !good(&self.heard.lock().unwrap()) {
            self.changed.notified().await;
        }
    }

    pub async fn until_confirmed(&self) {
        self.until("the confirmation", DEADLINE, |heard| {
            state(heard) == Some(SubscriptionState::Confirmed)
        })
        .await;
    }
}

fn tail(heard: &[Heard]) -> &[Heard] {
    &heard[heard.len().saturating_sub(12)..]
}

/// The state that was told last.
pub fn state(heard: &[Heard]) -> Option<SubscriptionState> {
    heard.iter().rev().find_map(|h| match &h.event.event {
        Event::Subscription(subscription) => Some(subscription.state),
        _ => None,
    })
}

/// The numbers that were broadcast.
pub fn numbers(heard: &[Heard]) -> Vec<u64> {
    heard
        .iter()
        .filter_map(|h| match &h.event.event {
            Event::Broadcast(broadcast) => broadcast.payload.as_str().parse().ok(),
            _ => None,
        })
        .collect()
}

/// The kinds of events in a row, broadcasts left out.
pub fn signals(heard: &[Heard]) -> Vec<String> {
    heard
        .iter()
        .filter_map(|h| match &h.event.event {
            Event::Subscription(subscription) => Some(format!("{:?}", subscription.state)),
            Event::Gap(gap) => Some(format!("Gap {:?}", gap.reason)),
            Event::Broadcast(_) => None,
        })
        .collect()
}

pub fn to(name: &str) -> Listen {
    Listen::to(Channel::new(name))
}
