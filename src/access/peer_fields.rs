//! The caller in the fields of a log record.

use super::caller::{Caller, CallerKind};

/// Fields of a log record that name a caller, under the keys `peer_kind`, `peer_pid`, `peer_uid`,
/// `peer_unit`, `app`, `origin` and `token`; empty ones are omitted from the record.
#[derive(Debug)]
pub struct PeerFields<'a> {
    pub kind: CallerKind,
    pub pid: String,
    pub uid: String,
    pub unit: &'a str,
    pub app: &'a str,
    pub origin: &'a str,
    /// The name of the token of a caller over TCP.
    pub token: &'a str,
}

impl<'a> PeerFields<'a> {
    pub fn of(caller: &'a Caller) -> Self {
        let peer = caller.peer();
        let page = caller.page();
        Self {
            kind: caller.kind(),
            pid: peer.map(|peer| peer.pid.to_string()).unwrap_or_default(),
            uid: peer.map(|peer| peer.uid.to_string()).unwrap_or_default(),
            unit: caller.unit().unwrap_or_default(),
            app: page.map_or("", |page| &page.app),
            origin: page.map_or("", |page| &page.origin),
            token: caller.token().map_or("", |token| token),
        }
    }
}
