//! Events as a listener receives them, the sink that takes them, and the reasons for their end.

use std::sync::Arc;

use super::record::Record;
use crate::moment::Moment;
use expd_domain::{GapReason, SubscriptionState};

/// One event for a listener.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The position in the log that the listener reaches with this event.
    pub sequence: u64,
    pub event: Event,
}

impl Delivery {
    /// Bytes that it keeps in memory.
    pub fn size(&self) -> usize {
        match &self.event {
            Event::Broadcast(record) => record.size(),
            Event::Subscription(..) | Event::Gap(_) => 0,
        }
    }
}

/// The kinds of events.
#[derive(Clone, Debug)]
pub enum Event {
    /// The subscription's state, and since when it holds.
    Subscription(SubscriptionState, Moment),
    /// A broadcast, encoded once for all listeners.
    Broadcast(Arc<Record>),
    /// The listener may have missed events.
    Gap(Gap),
}

/// Receives a listener's events. It is called under the log's lock and must be quick.
pub trait EventSink {
    /// Receives a broadcast.
    fn broadcast(&mut self, record: &Arc<Record>);

    /// Receives any other event, and the position that the listener reaches with it.
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

/// A span of time in which the listener may have missed events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    pub reason: GapReason,
    /// Number of missed events; 0 where it cannot be known.
    pub missed: u64,
    /// Start of the span, where known.
    pub from: Option<Moment>,
    /// End of the span.
    pub to: Moment,
}

/// Reason for a listener's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// It was cancelled by its ID or its context.
    #[error("the listener was cancelled")]
    Cancelled,
    /// It fell behind the log, and had asked to be ended in that case.
    #[error(
        "the listener fell behind the channel's log and had asked for overflow CANCEL; read faster, or listen with SKIP"
    )]
    Overflow,
    #[error("the daemon is stopping; listen again, with resume, when it is back")]
    Stopping,
    /// Its instance was transient, and has ended.
    #[error(
        "the instance has ended with the call that ran it (RunInstance); run it again, and listen again"
    )]
    Instance,
    /// A reload took its instance out of the settings.
    #[error(
        "the instance is no longer in the settings: a reload has removed it; listen on another, or add it again"
    )]
    Removed,
    /// A reload gave its instance another type of credentials or another network setting, which
    /// listeners cannot survive.
    #[error(
        "a reload has replaced the instance: its type of credentials or its network setting has changed; listen again"
    )]
    Replaced,
}
