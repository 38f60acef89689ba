//! Limits of the daemon and of its users.

use std::time::Duration;

use crate::shares::Rate;
use expd_domain::payload;

/// `[daemon.limits]`: limits on what applications and the network can make the daemon hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Events in one channel's log.
    pub log_events: usize,
    /// Bytes in one channel's log; the newest event is kept whatever its size.
    pub log_bytes: usize,
    /// Age limit of events in a log, and time that a channel without listeners keeps its log and
    /// subscription.
    pub log_age: Duration,
    /// Bytes in all logs together.
    pub total_log_bytes: usize,
    /// Bytes of JSON text in one payload; at most [`payload::MAX_BYTES`].
    pub max_payload: usize,
    /// Listeners on the whole host.
    pub max_listeners: usize,
    /// Channels of one instance.
    pub max_channels: usize,
    /// Concurrent local connections.
    pub max_connections: usize,
    /// Concurrent calls on one local connection.
    pub max_calls_per_connection: usize,
    /// Bytes held by local connections and calls together.
    pub max_call_bytes: usize,
    /// Concurrent calls to EXP, per instance.
    pub max_calls: usize,
    /// Broadcasts waiting for a connection, over all instances.
    pub max_waiting: usize,
    /// Bytes of all waiting broadcasts together.
    pub max_waiting_bytes: usize,
    /// Instances that programs run.
    pub max_run_instances: usize,
    /// `[daemon.limits.user]`
    pub user: UserLimits,
}

/// `[daemon.limits.user]`: the share of one user. A limit that is not set is half of the daemon's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserLimits {
    /// Local connections.
    pub max_connections: Option<usize>,
    pub max_streams: Option<usize>,
    /// Bytes held by connections and calls.
    pub max_call_bytes: Option<usize>,
    pub max_listeners: Option<usize>,
    /// Channels of one instance.
    pub max_channels: Option<usize>,
    /// Concurrent calls to EXP, per instance.
    pub max_calls: Option<usize>,
    pub broadcasts: Rate,
    /// Bytes of broadcasts, responses and API requests.
    pub bytes: Rate,
}

impl Default for UserLimits {
    fn default() -> Self {
        Self {
            max_connections: None,
            max_streams: None,
            max_call_bytes: None,
            max_listeners: None,
            max_channels: None,
            max_calls: None,
            broadcasts: Rate {
                per_second: 1000,
                burst: 2000,
            },
            bytes: Rate {
                per_second: 32 << 20,
                burst: 128 << 20,
            },
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            log_events: 1024,
            log_bytes: 4 << 20,
            log_age: Duration::from_secs(60),
            total_log_bytes: 64 << 20,
            max_payload: payload::MAX_BYTES,
            max_listeners: 10_000,
            max_channels: 10_000,
            max_connections: 4096,
            max_calls_per_connection: 1024,
            max_call_bytes: 128 << 20,
            max_calls: 4096,
            max_waiting: 1024,
            max_waiting_bytes: 64 << 20,
            max_run_instances: 32,
            user: UserLimits::default(),
        }
    }
}
