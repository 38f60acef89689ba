//! The parts of a running daemon that a reload changes.

use std::sync::Arc;

use tokio::sync::watch;

use crate::bridge::{
    AppliedInstances, Bridges, ConfiguredInstances, InstanceError, PreparedInstances,
};
use crate::config::{DaemonSettings, Limits, Settings};
use crate::router::RouterHandle;
use crate::shares::{Amount, Limit, LimitHits, UserRates};

/// A running daemon, to watch and to change.
pub struct RunningDaemon {
    pub bridges: Bridges,
    pub(super) instances: ConfiguredInstances,
    pub(super) router: RouterHandle,
    pub(super) rates: UserRates,
    pub(super) limit_hits: LimitHits,
    pub(super) settings: watch::Sender<Arc<DaemonSettings>>,
}

/// Settings that are ready to be applied. Dropping them changes nothing.
pub(super) struct PreparedSettings {
    instances: PreparedInstances,
    daemon: Arc<DaemonSettings>,
}

impl RunningDaemon {
    /// Prepares settings; every fallible step happens here. `is_other` tells whether a file named
    /// by the instance's settings has changed.
    ///
    /// # Errors
    /// An instance cannot run as configured. Nothing has changed then.
    pub(super) async fn prepare(
        &mut self,
        settings: &Settings,
        is_other: impl Fn(&str) -> bool,
    ) -> Result<PreparedSettings, InstanceError> {
        let prepared = self.instances.prepare(&settings.instances, is_other).await;
        Ok(PreparedSettings {
            instances: prepared?,
            daemon: Arc::new(settings.daemon.clone()),
        })
    }

    /// Applies settings, and returns the instances that changed.
    pub(super) async fn apply(&mut self, prepared: PreparedSettings) -> AppliedInstances {
        let PreparedSettings { instances, daemon } = prepared;
        if self.settings.borrow().limits != daemon.limits {
            self.set_limits(&daemon.limits).await;
        }
        self.settings.send_replace(daemon);
        self.instances.apply(instances).await
    }

    /// Applies limits to everything taken from now on.
    async fn set_limits(&self, limits: &Limits) {
        for (limit, amount) in amounts(limits) {
            self.limit_hits.set_amount(limit, amount);
        }
        let user = &limits.user;
        self.rates.set(user.broadcasts, user.bytes);
        // Fails only while the daemon stops.
        self.router.set_limits(limits.clone()).await.ok();
    }
}

/// Amounts of all limits that users share. Every key is named here or where it is read: a new one
/// does not compile until it is assigned to one of them.
fn amounts(limits: &Limits) -> [(Limit, Amount); 9] {
    let Limits {
        max_listeners,
        max_channels,
        max_connections,
        max_call_bytes,
        max_calls,
        max_waiting,
        max_waiting_bytes,
        max_run_instances,
        // The router's logs.
        log_events: _,
        log_bytes: _,
        log_age: _,
        total_log_bytes: _,
        // Read at each call, and at each new connection.
        max_payload: _,
        max_calls_per_connection: _,
        user,
    } = *limits;
    let crate::config::UserLimits {
        max_connections: user_connections,
        max_streams: user_streams,
        max_call_bytes: user_call_bytes,
        max_listeners: user_listeners,
        max_channels: user_channels,
        max_calls: user_calls,
        // The rates.
        broadcasts: _,
        bytes: _,
    } = user;
    let amount = |most, user_most| Amount { most, user_most };
    [
        (
            Limit::Connections,
            amount(max_connections, user_connections),
        ),
        (Limit::CallBytes, amount(max_call_bytes, user_call_bytes)),
        (Limit::Calls, amount(max_calls, user_calls)),
        (Limit::Listeners, amount(max_listeners, user_listeners)),
        (Limit::Channels, amount(max_channels, user_channels)),
        (Limit::Streams, amount(max_listeners, user_streams)),
        (Limit::Waiting, amount(max_waiting, None)),
        (Limit::WaitingBytes, amount(max_waiting_bytes, None)),
        (Limit::RunInstances, amount(max_run_instances, None)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::UserLimits;
    use crate::shares::{Holder, Shares};

    #[test]
    fn every_shared_limit_follows_its_key() {
        let limits = Limits {
            max_listeners: 101,
            max_channels: 102,
            max_connections: 103,
            max_call_bytes: 104,
            max_calls: 105,
            max_waiting: 106,
            max_waiting_bytes: 107,
            max_run_instances: 108,
            user: UserLimits {
                max_connections: Some(1),
                max_streams: Some(2),
                max_call_bytes: Some(3),
                max_listeners: Some(4),
                max_channels: Some(5),
                max_calls: Some(6),
                ..UserLimits::default()
            },
            ..Limits::default()
        };
        let hits = LimitHits::default();
        for (limit, amount) in amounts(&limits) {
            hits.set_amount(limit, amount);
        }
        let user = Holder::User(60_001);
        for (limit, most, of_user) in [
            (Limit::Listeners, 101, 4),
            (Limit::Channels, 102, 5),
            (Limit::Connections, 103, 1),
            (Limit::CallBytes, 104, 3),
            (Limit::Calls, 105, 6),
            (Limit::Waiting, 106, 53),
            (Limit::WaitingBytes, 107, 54),
            (Limit::RunInstances, 108, 54),
            (Limit::Streams, 101, 2),
        ] {
            let shares = Shares::of(limit, 10_000, None, &hits);
            assert_eq!(shares.most(), most, "{limit:?}");
            drop(shares.take(user, of_user).unwrap());
            shares.take(user, of_user + 1).unwrap_err();
        }
    }
}
