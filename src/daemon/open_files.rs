//! Limit of connections, reduced to fit the limit of open files.

use crate::config::Limits;
use crate::ipc;
use expd_hub::MAX_CONNECTIONS;

/// Lowers the limit of connections to fit the limit of open files, and logs that. An embedded
/// network needs descriptors for connections of its own.
pub(super) fn limit_connections(limits: &mut Limits, embedded: bool) {
    let wanted = limits.max_connections;
    let of_hub = if embedded { MAX_CONNECTIONS } else { 0 };
    let possible = ipc::allow_open_files(wanted.saturating_add(of_hub)).min(wanted);
    if possible < wanted {
        log::warn!(
            "the limit of open files leaves room for {possible} local connections instead of \
             {wanted} (daemon.limits.max_connections); raise it (LimitNOFILE=)"
        );
    }
    limits.max_connections = possible;
}
