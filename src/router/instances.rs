//! All instances: the configured ones, and the transient ones that local programs run.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use super::handle::AddedInstance;
use super::instance::{Instance, LogBytes};
use super::report::InstanceId;
use crate::config::Limits;
use crate::shares::LimitHits;

/// Instances by ID. An ID is never used again: a late report of an instance that has ended reaches
/// no other.
pub(super) struct Instances {
    /// Found by index, since each batch of broadcasts looks one up.
    configured: Vec<Instance>,
    /// As many as the bridge admits (`daemon.limits.max_run_instances`), and those that were
    /// dropped until the router removes them.
    transient: HashMap<InstanceId, Transient>,
    next: usize,
    max_channels: (usize, Option<usize>),
    hits: LimitHits,
}

/// Bound on the logs of one transient instance, in bytes. They are not among the logs that share
/// `total_log_bytes`: whoever runs an instance chooses its network too, and a flood from there must
/// not push the events of others out.
pub(super) const TRANSIENT_LOG_BYTES: usize = 1 << 20;

struct Transient {
    instance: Instance,
    /// Its [`AddedInstance`].
    owner: Weak<()>,
}

impl Instances {
    /// `configured` instances, each of which may have `limits.max_channels` channels, with
    /// `log_bytes` for all of them.
    pub fn new(
        configured: &[String],
        limits: &Limits,
        hits: &LimitHits,
        log_bytes: &LogBytes,
    ) -> Self {
        let max_channels = (limits.max_channels, limits.user.max_channels);
        Self {
            configured: configured
                .iter()
                .map(|name| Instance::new(name, max_channels, hits, log_bytes.clone()))
                .collect(),
            transient: HashMap::new(),
            next: configured.len(),
            max_channels,
            hits: hits.clone(),
        }
    }

    /// The configured instances, in the order of their IDs.
    pub fn configured(&self) -> &[Instance] {
        &self.configured
    }

    /// Adds a transient instance.
    pub fn add(&mut self, name: &str) -> AddedInstance {
        let id = InstanceId(self.next);
        self.next += 1;
        let log_bytes = LogBytes::new(TRANSIENT_LOG_BYTES);
        let instance = Instance::new(name, self.max_channels, &self.hits, log_bytes);
        let alive = Arc::new(());
        let added = AddedInstance {
            id,
            wanted: instance.wanted.subscribe(),
            _alive: alive.clone(),
        };
        let owner = Arc::downgrade(&alive);
        self.transient.insert(id, Transient { instance, owner });
        added
    }

    /// Removes a transient instance.
    pub fn remove(&mut self, id: InstanceId) -> Option<Instance> {
        Some(self.transient.remove(&id)?.instance)
    }

    /// IDs of the transient instances whose owner was dropped without removing them.
    pub fn dropped(&self) -> Vec<InstanceId> {
        let transient = self.transient.iter();
        transient
            .filter(|(_, transient)| transient.owner.strong_count() == 0)
            .map(|(id, _)| *id)
            .collect()
    }

    #[inline]
    pub fn get(&self, id: InstanceId) -> Option<&Instance> {
        match self.configured.get(id.0) {
            Some(instance) => Some(instance),
            None => Some(&self.transient.get(&id)?.instance),
        }
    }

    #[inline]
    pub fn get_mut(&mut self, id: InstanceId) -> Option<&mut Instance> {
        match self.configured.get_mut(id.0) {
            Some(instance) => Some(instance),
            None => Some(&mut self.transient.get_mut(&id)?.instance),
        }
    }

    /// True for a configured instance.
    pub fn is_configured(&self, id: InstanceId) -> bool {
        id.0 < self.configured.len()
    }

    /// Every instance.
    pub fn iter(&self) -> impl Iterator<Item = (InstanceId, &Instance)> {
        let configured = self.configured.iter().enumerate();
        let transient = self.transient.iter();
        configured
            .map(|(index, instance)| (InstanceId(index), instance))
            .chain(transient.map(|(id, transient)| (*id, &transient.instance)))
    }

    /// Every instance.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Instance> {
        let transient = self.transient.values_mut().map(|it| &mut it.instance);
        self.configured.iter_mut().chain(transient)
    }
}
