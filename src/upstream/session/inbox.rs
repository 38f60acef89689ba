//! Messages from the session's handles to its task.

use tokio::sync::{mpsc, watch};

use crate::upstream::credentials::DeviceKey;

/// CredentialEvent of the device's credentials that wait for the session's task. An operator sends one in minutes.
pub(super) const CREDENTIAL_EVENTS: usize = 16;

/// What the network says of this device's credentials.
#[derive(Debug)]
pub(super) enum CredentialEvent {
    /// It has paired this device.
    Paired(DeviceKey),
    /// It has unpaired it.
    Unpaired,
}

/// The task's end of the handles' channels.
pub(super) struct Inbox {
    pub(super) credential_events: mpsc::Receiver<CredentialEvent>,
    pub(super) rejected: watch::Receiver<u64>,
}
