//! The parts that a link is made of.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::timings::LinkTimings;
use crate::metrics::Counters;
use crate::router::{InstanceId, RouterHandle, Wanted};
use crate::upstream::session::Session;

/// Parts of a link.
#[derive(Clone)]
pub struct LinkParts {
    /// Name of the instance, for the log.
    pub name: String,
    /// The instance's ID in the router.
    pub instance: InstanceId,
    /// True to open a live socket.
    pub network: bool,
    /// Source of tokens, and of the setup that comes with each.
    pub session: Session,
    /// Sink for everything that arrives.
    pub router: RouterHandle,
    /// The channels to subscribe to.
    pub wanted: watch::Receiver<Wanted>,
    /// The instance's counters.
    pub counters: Arc<Counters>,
    pub timings: LinkTimings,
    /// Bound on a message of the live socket, in bytes.
    pub max_message: usize,
    /// Stops the link.
    pub shutdown: CancellationToken,
}
