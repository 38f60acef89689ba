//! Reports of a link to the router.

use std::sync::Arc;
use std::time::SystemTime;

use crate::moment::Moment;
use expd_domain::{Broadcast, Channel};

/// An instance, by its number among all that the router has had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceId(pub usize);

/// A broadcast received from the network.
#[derive(Debug)]
pub struct Incoming {
    /// Its channel, decoded from the channel ID.
    pub channel: Arc<Channel>,
    pub broadcast: Broadcast,
    pub received: Moment,
    /// Date of that, which apps are given.
    pub received_at: SystemTime,
}

/// One report.
#[derive(Debug)]
pub enum Report {
    /// These broadcasts were received, in this order.
    Broadcasts(Vec<Incoming>),
    /// These channels were requested on the present connection.
    Asked(Vec<Arc<Channel>>),
    /// The network confirmed these channels.
    Confirmed(Vec<Arc<Channel>>),
    /// The network refuses these channels, in these words.
    Refused(Vec<Arc<Channel>>, Arc<str>),
    /// The network no longer confirms these channels. Broadcasts after the moment beside each may
    /// be lost.
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
