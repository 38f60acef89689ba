//! Reports of a link to the router.

use std::sync::Arc;
use std::time::SystemTime;

use crate::moment::Moment;
use expd_domain::{Broadcast, Channel};

/// The number of an instance, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceId(pub usize);

/// A broadcast received from the network.
#[derive(Debug)]
pub struct Incoming {
    /// Its channel, decoded from the channel ID.
    pub channel: Arc<Channel>,
    pub broadcast: Broadcast,
    pub received: Moment,
    /// Date of arrival, as reported to apps.
    pub received_at: SystemTime,
}

#[derive(Debug)]
pub enum Report {
    /// These broadcasts were received, in this order.
    Broadcasts(Vec<Incoming>),
    /// These channels were requested on the current connection.
    Asked(Vec<Arc<Channel>>),
    /// The network confirmed these channels.
    Confirmed(Vec<Arc<Channel>>),
    /// The network refuses these channels, with this message.
    Refused(Vec<Arc<Channel>>, Arc<str>),
    /// The network no longer confirms these channels. Broadcasts after the moment of each may be
    /// lost.
    Lost(Vec<(Arc<Channel>, Moment)>),
    /// The connection is lost, and no channel is confirmed any more. Broadcasts after `since` may
    /// be lost.
    Down {
        /// Time when the connection was last known to be good.
        since: Moment,
    },
}

/// Origin of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceKind {
    /// The settings.
    Configured,
    /// A program.
    Transient,
}
