//! The listeners of all instances, by ID.

use std::collections::HashMap;
use std::sync::Arc;

use super::error::RouterError;
use super::event::Ended;
use super::handle::ListenerFilter;
use super::listener::{ListenSpec, ListenerInfo};
use super::report::InstanceId;
use super::snapshot::{Slice, first_by};
use crate::config::Limits;
use crate::shares::{Limit, LimitHits, Share, Shares};

/// All listeners, including dropped ones until the next [`Registry::reap`]. That bounds the map by
/// `max_listeners` and the turnover of one sweep interval.
pub(super) struct Registry {
    listeners: HashMap<String, Arc<ListenerInfo>>,
    shares: Shares,
    /// Listeners opened so far.
    opened: u64,
}

impl Registry {
    /// An empty registry for at most `max_listeners`.
    pub fn new(limits: &Limits, hits: &LimitHits) -> Self {
        Self {
            listeners: HashMap::new(),
            shares: Shares::of(
                Limit::Listeners,
                limits.max_listeners,
                limits.user.max_listeners,
                hits,
            ),
            opened: 0,
        }
    }

    /// Takes one listener's share of the limit for its user.
    pub fn take_share(&self, spec: &ListenSpec) -> Result<Share, RouterError> {
        let share = self.shares.take(spec.asker(), 1);
        share.map_err(|full| RouterError::TooManyListeners {
            most: self.shares.most(),
            full,
        })
    }

    /// ID and number of the next listener.
    pub fn next_id(&mut self) -> (String, u64) {
        self.opened += 1;
        (random_id(), self.opened)
    }

    /// Registers a listener.
    pub fn insert(&mut self, info: Arc<ListenerInfo>) {
        self.listeners.insert(info.id.clone(), info);
    }

    /// The listener of this ID, also when it has ended since the last [`Registry::reap`].
    pub fn get(&self, id: &str) -> Option<Arc<ListenerInfo>> {
        self.listeners.get(id).cloned()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<ListenerInfo>> {
        self.listeners.values()
    }

    /// Ends one listener.
    pub fn cancel(&mut self, id: String) -> Result<(), RouterError> {
        match self.listeners.get(&id) {
            Some(info) if info.is_open() => {
                info.end(Ended::Cancelled);
                Ok(())
            }
            _ => Err(RouterError::UnknownListener(id)),
        }
    }

    /// Ends the listeners of a context that pass the filter, and returns their number.
    pub fn clear_context(&mut self, context: &str, filter: &ListenerFilter) -> u32 {
        let mut cancelled = 0;
        for info in self.listeners.values() {
            if info.context == context && info.is_open() && filter(info) {
                info.end(Ended::Cancelled);
                cancelled += 1;
            }
        }
        cancelled
    }

    /// The listeners of a slice, the oldest first.
    pub fn slice(&self, slice: Slice) -> Vec<Arc<ListenerInfo>> {
        let later = self.listeners.values().filter(|info| {
            info.instance == slice.instance && info.number > slice.after && !info.is_dropped()
        });
        let first = first_by(later.collect(), slice.most, |info| info.number);
        first.into_iter().cloned().collect()
    }

    /// Removes dropped listeners; `reaped` is called for each.
    pub fn reap(&mut self, mut reaped: impl FnMut(&ListenerInfo)) {
        self.listeners.retain(|_, info| {
            let dropped = info.is_dropped();
            if dropped {
                reaped(info);
            }
            !dropped
        });
        // Ten thousand listeners that came and went leave 330 KB of unused capacity.
        self.listeners.shrink_to(2 * self.listeners.len());
    }

    /// Ends the listeners of an instance that has ended.
    pub fn end_instance(&self, instance: InstanceId, why: Ended) {
        for info in self.listeners.values() {
            if info.instance == instance {
                info.end(why);
            }
        }
    }

    /// Ends every listener because the daemon stops.
    pub fn stop_all(&self) {
        for info in self.listeners.values() {
            info.end(Ended::Stopping);
        }
    }
}

/// 128 random bits: an ID cannot be guessed, and an app that outlived an earlier daemon cannot take
/// another app's events with the ID that it received there.
fn random_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}
