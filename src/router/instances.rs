//! All instances: the configured ones, and the transient ones that local programs run.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use super::handle::AddedInstance;
use super::instance::Instance;
use super::report::InstanceId;

/// Instances by ID. An ID is never used again: a late report of an instance that has ended reaches
/// no other.
pub(super) struct Instances {
    /// Found by index, since each batch of broadcasts looks one up.
    configured: Vec<Instance>,
    /// As many as the bridge admits (`daemon.limits.max_run_instances`), and those that were dropped
    /// since the last [`Instances::reap`].
    transient: HashMap<InstanceId, Transient>,
    next: usize,
    max_channels: usize,
}

struct Transient {
    instance: Instance,
    /// Its [`AddedInstance`].
    owner: Weak<()>,
}

impl Instances {
    /// `configured` instances, each of which may have `max_channels` channels.
    pub fn new(configured: usize, max_channels: usize) -> Self {
        Self {
            configured: (0..configured)
                .map(|_| Instance::new(max_channels))
                .collect(),
            transient: HashMap::new(),
            next: configured,
            max_channels,
        }
    }

    /// The configured instances, in the order of their IDs.
    pub fn configured(&self) -> &[Instance] {
        &self.configured
    }

    /// Adds a transient instance.
    pub fn add(&mut self) -> AddedInstance {
        let id = InstanceId(self.next);
        self.next += 1;
        let instance = Instance::new(self.max_channels);
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
