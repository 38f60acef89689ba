//! The caller in the fields of a log record.

use super::caller::Caller;

/// Fields of a log record that name a caller, under the keys `peer_pid`, `peer_uid` and
/// `peer_unit`; empty, and left out of the record, where nothing is known.
#[derive(Debug, Default)]
pub struct PeerFields<'a> {
    /// The process ID.
    pub pid: String,
    /// The user.
    pub uid: String,
    /// The systemd unit.
    pub unit: &'a str,
}

impl<'a> PeerFields<'a> {
    /// The fields of a caller.
    pub fn of(caller: &'a Caller) -> Self {
        let Some(peer) = caller.peer() else {
            return Self::default();
        };
        Self {
            pid: peer.pid.to_string(),
            uid: peer.uid.to_string(),
            unit: caller.unit().unwrap_or_default(),
        }
    }
}
