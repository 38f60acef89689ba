//! The parts that a link is made of.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::timings::LinkTimings;
use crate::config::InstanceSettings;
use crate::metrics::Counters;
use crate::router::{InstanceId, RouterHandle, Wanted};
use crate::upstream::session::Session;

/// What a link is made of.
#[derive(Clone)]
pub struct LinkParts {
    /// The instance's name, for the log.
    pub name: String,
    /// The instance in the router.
    pub instance: InstanceId,
    /// How the socket travels and how channels are spelled.
    pub settings: InstanceSettings,
    /// Where tokens come from.
    pub session: Session,
    /// Where everything that arrives goes.
    pub router: RouterHandle,
    /// What is to be subscribed.
    pub wanted: watch::Receiver<Wanted>,
    /// Figures of the instance.
    pub counters: Arc<Counters>,
    /// How long it waits for what.
    pub timings: LinkTimings,
    /// Ends the link.
    pub shutdown: CancellationToken,
}
