//! The parts that a link is made of.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::timings::LinkTimings;
use crate::metrics::Counters;
use crate::router::{InstanceId, RouterHandle, Wanted};
use crate::upstream::session::Session;

#[derive(Clone)]
pub struct LinkParts {
    /// Name of the instance, for the log.
    pub name: String,
    /// ID of the instance in the router.
    pub instance: InstanceId,
    /// Opens a live socket.
    pub network: bool,
    /// Source of tokens, and of the setup that comes with each.
    pub session: Session,
    /// Router, which gets everything that arrives.
    pub router: RouterHandle,
    /// The channels to subscribe to.
    pub wanted: watch::Receiver<Wanted>,
    pub counters: Arc<Counters>,
    pub timings: LinkTimings,
    /// Bound on a message of the live socket, in bytes.
    pub max_message: usize,
    /// Stops the link.
    pub shutdown: CancellationToken,
}
