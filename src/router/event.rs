//! What a listener is handed: its events, where they go, and why they end.

use std::sync::Arc;
use std::time::SystemTime;

use super::record::Record;
use expd_domain::{GapReason, SubscriptionState};

/// One event as a listener gets it.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The position up to which the listener has come with this event.
    pub sequence: u64,
    /// The event.
    pub event: Event,
}

impl Delivery {
    /// Bytes that are held for it.
    pub fn size(&self) -> usize {
        match &self.event {
            Event::Broadcast(record) => record.size(),
            Event::Subscription(..) | Event::Gap(_) => 0,
        }
    }
}

/// What a listener gets.
#[derive(Clone, Debug)]
pub enum Event {
    /// How the subscription stands, since when.
    Subscription(SubscriptionState, SystemTime),
    /// A broadcast, encoded once for all.
    Broadcast(Arc<Record>),
    /// Something may be missing.
    Gap(Gap),
}

/// Takes a listener's events. It is called under the log's lock and must be quick.
pub trait EventSink {
    /// A broadcast.
    fn broadcast(&mut self, record: &Arc<Record>);

    /// An event that is none, at the position up to which the listener has come with it.
    fn other(&mut self, sequence: u64, event: Event);
}

impl EventSink for Vec<Delivery> {
    fn broadcast(&mut self, record: &Arc<Record>) {
        self.push(Delivery {
            sequence: record.sequence,
            event: Event::Broadcast(record.clone()),
        });
    }

    fn other(&mut self, sequence: u64, event: Event) {
        self.push(Delivery { sequence, event });
    }
}

/// Something may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Why.
    pub reason: GapReason,
    /// How many events; 0 where that cannot be known.
    pub missed: u64,
    /// The beginning of the span, where known.
    pub from: Option<SystemTime>,
    /// The end of the span.
    pub to: SystemTime,
}

/// Why a listener ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// It was cancelled by its ID or its context.
    #[error("the listener was cancelled")]
    Cancelled,
    /// It was too slow and had asked to be ended then.
    #[error(
        "the listener fell behind the channel's log and had asked for overflow CANCEL; read faster, or listen with SKIP"
    )]
    Overflow,
    /// The daemon stops.
    #[error("the daemon is stopping; listen again, with resume, when it is back")]
    Stopping,
}
