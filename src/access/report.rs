//! Reports of refusals and reached limits to operators, in the journal and the metrics.

use super::caller::Caller;
use super::peer_fields::PeerFields;
use super::refusal::Refusal;
use crate::journal::JournalEvent;
use crate::metrics::DaemonCounters;

/// Counts a refused call, and logs it if a rule or a token decided.
pub fn report_refusal(refusal: &Refusal, caller: &Caller, counters: &DaemonCounters) {
    counters.refused.inc(refusal.what(), caller.kind().as_str());
    if !refusal.is_denial() {
        log::debug!("refused: {refusal}");
        return;
    }
    let peer = PeerFields::of(caller);
    let target = refusal.target();
    log::warn!(
        event = JournalEvent::AccessDenied,
        instance = target.map_or("", |target| &target.instance),
        channel = target.map_or("", |target| &target.channel),
        verb = refusal.what(),
        peer_kind = peer.kind.as_str(),
        peer_pid = peer.pid,
        peer_uid = peer.uid,
        peer_unit = peer.unit,
        app = peer.app,
        origin = peer.origin,
        token = peer.token;
        "{refusal}"
    );
}

/// Logs that a call was refused because a limit is reached. Instance and channel are empty if the
/// call names none.
pub fn report_limit(message: &str, caller: &Caller, instance: &str, channel: &str) {
    let peer = PeerFields::of(caller);
    log::warn!(
        event = JournalEvent::LimitHit,
        instance = instance,
        channel = channel,
        peer_kind = peer.kind.as_str(),
        peer_pid = peer.pid,
        peer_uid = peer.uid,
        peer_unit = peer.unit,
        app = peer.app,
        origin = peer.origin,
        token = peer.token;
        "{message}"
    );
}
