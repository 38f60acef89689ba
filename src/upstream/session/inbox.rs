//! Messages from the session's handles to its task.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::upstream::credentials::DeviceKey;
use crate::upstream::setup::InstanceSetup;

/// Bound on queued events. An operator causes one in minutes.
pub(super) const CREDENTIAL_EVENTS: usize = 16;

/// An event about this device's credentials, received from the network.
#[derive(Debug)]
pub(super) enum CredentialEvent {
    Paired(DeviceKey),
    Unpaired,
}

/// The task's receiving ends.
pub(super) struct Inbox {
    pub(super) credential_events: mpsc::Receiver<CredentialEvent>,
    pub(super) rejected: watch::Receiver<u64>,
    /// Setup of the instance, which a reload replaces.
    pub(super) setups: watch::Receiver<Arc<InstanceSetup>>,
}
