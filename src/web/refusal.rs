//! Refusals of pages before they are logged in, as the journal has them.

use crate::access::CallerKind;
use crate::journal::JournalEvent;
use expd_server::error::ApiError;

/// Logs that a request was refused. The app is empty if the request names none of the settings'.
pub(super) fn report(what: &str, app: &str, origin: &str, refusal: &ApiError) {
    log::warn!(
        event = JournalEvent::PageRefused,
        peer_kind = CallerKind::Page.as_str(),
        app,
        origin,
        code = refusal.code;
        "refused {what}: {refusal}"
    );
}
