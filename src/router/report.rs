//! What a link reports to the router.

use std::sync::Arc;

use super::moment::Moment;
use expd_domain::{Broadcast, Channel};

/// Which instance, as its place in the list that the router was started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceId(pub usize);

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
