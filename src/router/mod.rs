//! The router: the one owner of channels, their logs and their listeners, for all instances.
//!
//! It is an actor: [`RouterHandle`] sends it commands over a bounded mailbox, and nothing else
//! changes its state. Links report events of the network; the servers open listeners. The channels
//! that a link must subscribe to are published as [`Wanted`]. The router never waits for a
//! listener: each reads its channel's log at its own pace.
//!
//! The files, from the actor down: [`actor`] owns an [`instance`] for each identity
//! ([`instances`]), the [`registry`] of listeners and the [`wake_queue`]; a [`listener`] reads its
//! channel's [`log`] through a [`cursor`]; the log guards a [`ring`] of [`record`]s.

mod actor;
mod cursor;
mod error;
mod event;
mod gap_counts;
mod gap_notice;
mod handle;
mod instance;
mod instances;
mod listener;
mod log;
mod outages;
mod record;
mod registry;
mod report;
mod ring;
mod snapshot;
#[cfg(test)]
mod tests;
mod wake_pacing;
mod wake_queue;
mod wanted;

pub use actor::{Router, RouterSettings};
pub use cursor::Resume;
pub use error::RouterError;
pub use event::{Delivery, Ended, Event, EventSink, Gap};
pub use gap_counts::GapCounts;
pub use handle::{AddedInstance, RouterHandle};
pub use listener::{ListenSpec, Listener, ListenerInfo, WebPage};
pub use record::{Decode, Encode, EncodedBatch, FrameSpan, PageForm, PlainBroadcast, Record};
pub use report::{Incoming, InstanceId, InstanceKind, Report};
pub use snapshot::{ChannelSnapshot, InstanceSnapshot, Slice, Totals};
pub use wanted::Wanted;

pub use crate::moment::Moment;
pub use crate::shares::{LimitHits, Program};
