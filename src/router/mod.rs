//! The router: the one owner of channels, their logs and their listeners, for all instances.
//!
//! It is an actor: [`RouterHandle`] sends it commands over a bounded mailbox, and nothing else changes its state. The links
//! report what happens on the network; listeners come in from the front doors. What the links shall subscribe it publishes
//! as [`Wanted`]. It never waits for a listener: a listener reads its channel's log at its own pace.

mod actor;
mod cursor;
mod instance;
mod listener;
mod log;
mod outages;
mod record;
mod resting;
mod ring;
#[cfg(test)]
mod tests;
mod wakes;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

pub use actor::{Router, RouterSettings};
pub use cursor::{Delivery, Event, EventSink, Resume};
pub use listener::{Ended, ListenSpec, Listener, ListenerInfo};
pub use log::{Gap, Moment};
pub use record::{EncodedBatch, FrameSpan, Record};

use crate::shares::Full;
use expd_domain::{Broadcast, Channel, Quoted};

/// Commands and reports that wait for the router. Senders wait when it is full; the router never waits, so that is short.
const MAILBOX: usize = 1024;

/// Which instance, as its place in the list that the router was started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceId(pub usize);

/// A local process, as the kernel named it when it connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Its process.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
}

/// Makes the bytes of broadcasts that came together, once for all listeners, the first of them being at `first`; it may take the
/// payloads out. Given by the front door, so that the router knows no encoding.
pub type Encode = fn(first: u64, run: &mut [Incoming]) -> EncodedBatch;

/// A broadcast as it came from the network.
#[derive(Debug)]
pub struct Incoming {
    /// What its channel ID decodes to.
    pub channel: Arc<Channel>,
    /// The broadcast.
    pub broadcast: Broadcast,
    /// When it came.
    pub received: Moment,
}

/// What a link reports.
#[derive(Debug)]
pub enum Report {
    /// These came, in this order.
    Broadcasts(Vec<Incoming>),
    /// These channels were asked for on the present connection.
    Asked(Vec<Arc<Channel>>),
    /// The network confirmed these.
    Confirmed(Vec<Arc<Channel>>),
    /// The network does not confirm these any more. What came after the moment beside each may be lost.
    Lost(Vec<(Arc<Channel>, Moment)>),
    /// The connection is gone: no channel is confirmed any more. What came after `since` may be lost.
    Down {
        /// When the connection was last known to be good.
        since: Moment,
    },
}

/// What an instance's link shall subscribe: every channel, in the order in which they were first wanted.
#[derive(Debug, Default)]
pub struct Wanted {
    channels: BTreeMap<u64, Arc<Channel>>,
    last: u64,
    /// How many times channels were taken out.
    shrunk: u64,
}

impl Wanted {
    /// The channels that were wanted after `seen`, and the number to ask with next time. Zero gives all.
    pub fn after(&self, seen: u64) -> (Vec<Arc<Channel>>, u64) {
        let channels = self.channels.range(seen + 1..).map(|(_, c)| c.clone());
        (channels.collect(), self.last)
    }

    /// Tells apart what is wanted before and after channels were taken out.
    pub fn shrunk(&self) -> u64 {
        self.shrunk
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.channels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }
}

/// Why a listener could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouterError {
    /// The host's bound on listeners.
    #[error(
        "too many listeners: {full}, of {most} (daemon.limits.max_listeners); end some, or raise it"
    )]
    TooManyListeners {
        /// The limit.
        most: usize,
        /// Who has them.
        full: Full,
    },
    /// The instance's bound on channels.
    #[error(
        "too many channels of this instance: {full}, of {most} (daemon.limits.max_channels); end some listeners, or raise it"
    )]
    TooManyChannels {
        /// The limit.
        most: usize,
        /// Who has them.
        full: Full,
    },
    /// The user's memory.
    #[error(
        "too many bytes of names of listeners and channels: {full}, of {most} (daemon.limits.max_call_bytes); end some listeners, or raise it"
    )]
    TooMuchMemory {
        /// The limit.
        most: usize,
        /// Who has it.
        full: Full,
    },
    /// A resume position that the log has not reached.
    #[error(
        "resume.after is {after}, but the log has only come to {newest}; give a sequence that was received from it"
    )]
    ResumeAhead {
        /// What was asked.
        after: u64,
        /// The newest there is.
        newest: u64,
    },
    /// No such listener.
    #[error("no listener has the ID {id}; it may have ended already", id = Quoted(.0))]
    UnknownListener(String),
    /// The daemon stops.
    #[error("the daemon is stopping")]
    Stopping,
}

/// How a channel stands.
#[derive(Clone, Debug)]
pub struct ChannelSnapshot {
    /// Its number among the channels of its instance, in the order in which they were first wanted.
    pub order: u64,
    /// The channel.
    pub channel: Arc<Channel>,
    /// Since when somebody wants it.
    pub wanted_since: SystemTime,
    /// When it was last asked for on the present connection.
    pub asked_at: Option<SystemTime>,
    /// When the network last confirmed it on the present connection.
    pub confirmed_at: Option<SystemTime>,
    /// When the last broadcast came.
    pub last_broadcast_at: Option<SystemTime>,
    /// Its listeners.
    pub listeners: usize,
    /// Events in the log.
    pub log_events: usize,
    /// Bytes in the log.
    pub log_bytes: usize,
    /// The newest sequence.
    pub log_sequence: u64,
}

/// Everything about one instance.
#[derive(Clone, Debug, Default)]
pub struct InstanceSnapshot {
    /// Its channels, in no order.
    pub channels: Vec<ChannelSnapshot>,
    /// Its listeners, in no order.
    pub listeners: Vec<Arc<ListenerInfo>>,
    /// Broadcasts handed to listeners, to those that are gone included.
    pub deliveries: u64,
    /// Gaps told to listeners, likewise.
    pub gaps: u64,
}

/// What the listeners of one instance were handed, those that are gone included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Broadcasts.
    pub deliveries: u64,
    /// Gaps.
    pub gaps: u64,
}

/// Which listeners a caller may end.
type Whose = Box<dyn Fn(&ListenerInfo) -> bool + Send>;

/// So many of an instance's, in the order of their numbers, from the first after `after` on.
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    /// Whose.
    pub instance: InstanceId,
    /// The last number that is known; 0 for none.
    pub after: u64,
    /// How many. The router does nothing else meanwhile, so it should be some hundred.
    pub most: usize,
}

enum Command {
    Open {
        instance: InstanceId,
        spec: Box<ListenSpec>,
        reply: oneshot::Sender<Result<Listener, RouterError>>,
    },
    Report(InstanceId, Report),
    ListenerInfo(String, oneshot::Sender<Option<Arc<ListenerInfo>>>),
    Cancel(String, oneshot::Sender<Result<(), RouterError>>),
    ClearContext(String, Whose, oneshot::Sender<u32>),
    Snapshot(oneshot::Sender<Vec<InstanceSnapshot>>),
    Totals(oneshot::Sender<Vec<Totals>>),
    Channels(Slice, oneshot::Sender<Vec<ChannelSnapshot>>),
    Listeners(Slice, oneshot::Sender<Vec<Arc<ListenerInfo>>>),
    Stop,
}

/// The way to the router.
#[derive(Clone, Debug)]
pub struct RouterHandle {
    mailbox: mpsc::Sender<Command>,
    wanted: Arc<[watch::Receiver<Wanted>]>,
    stopped: CancellationToken,
}

impl RouterHandle {
    /// Opens a listener.
    ///
    /// # Errors
    /// A bound is reached, or the daemon stops.
    pub async fn open(
        &self,
        instance: InstanceId,
        spec: ListenSpec,
    ) -> Result<Listener, RouterError> {
        let spec = Box::new(spec);
        self.ask(|reply| Command::Open {
            instance,
            spec,
            reply,
        })
        .await?
    }

    /// Takes a link's report. After the router has stopped, reports go nowhere.
    pub async fn report(&self, instance: InstanceId, report: Report) {
        // The router is gone only when the daemon stops, and then nobody is left to be told.
        self.mailbox
            .send(Command::Report(instance, report))
            .await
            .ok();
    }

    /// Ends one listener.
    ///
    /// # Errors
    /// When there is none of that ID.
    pub async fn cancel(&self, id: String) -> Result<(), RouterError> {
        self.ask(|reply| Command::Cancel(id, reply)).await?
    }

    /// What is known of a listener, as long as it or its end is of interest.
    ///
    /// # Errors
    /// When the daemon stops.
    pub async fn listener_info(
        &self,
        id: String,
    ) -> Result<Option<Arc<ListenerInfo>>, RouterError> {
        self.ask(|reply| Command::ListenerInfo(id, reply)).await
    }

    /// Ends every listener of a context for which `whose` holds, over all instances, and says how many.
    ///
    /// # Errors
    /// When the daemon stops.
    pub async fn clear_context(
        &self,
        context: String,
        whose: impl Fn(&ListenerInfo) -> bool + Send + 'static,
    ) -> Result<u32, RouterError> {
        let whose = Box::new(whose);
        self.ask(|reply| Command::ClearContext(context, whose, reply))
            .await
    }

    /// How everything stands, by instance.
    ///
    /// # Errors
    /// When the daemon stops.
    pub async fn snapshot(&self) -> Result<Vec<InstanceSnapshot>, RouterError> {
        self.ask(Command::Snapshot).await
    }

    /// What the listeners of each instance were handed.
    ///
    /// # Errors
    /// When the daemon stops.
    pub async fn totals(&self) -> Result<Vec<Totals>, RouterError> {
        self.ask(Command::Totals).await
    }

    /// Some of an instance's channels, in the order in which they were first wanted.
    ///
    /// # Errors
    /// When the daemon stops.
    pub async fn channels(&self, slice: Slice) -> Result<Vec<ChannelSnapshot>, RouterError> {
        self.ask(|reply| Command::Channels(slice, reply)).await
    }

    /// Some of an instance's listeners, the oldest first.
    ///
    /// # Errors
    /// When the daemon stops.
    pub async fn listeners(&self, slice: Slice) -> Result<Vec<Arc<ListenerInfo>>, RouterError> {
        self.ask(|reply| Command::Listeners(slice, reply)).await
    }

    /// Ends every listener with [`Ended::Stopping`] and then the router.
    pub async fn stop(&self) {
        // An error means that it has stopped already.
        self.mailbox.send(Command::Stop).await.ok();
        self.stopped.cancelled().await;
    }

    /// What an instance's link shall subscribe.
    pub fn wanted(&self, instance: InstanceId) -> Option<watch::Receiver<Wanted>> {
        self.wanted.get(instance.0).cloned()
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, RouterError> {
        let (reply, answer) = oneshot::channel();
        self.mailbox
            .send(command(reply))
            .await
            .map_err(|_| RouterError::Stopping)?;
        answer.await.map_err(|_| RouterError::Stopping)
    }
}
