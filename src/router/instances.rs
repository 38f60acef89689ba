//! All instances: the configured ones, and the transient ones that local programs run.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use super::handle::AddedInstance;
use super::instance::{Instance, LogBytes};
use super::report::{InstanceId, InstanceKind};
use super::ring::Bounds;
use crate::config::Limits;
use crate::shares::LimitHits;

/// Instances by ID. IDs are never reused, so that a late report about an ended instance reaches no
/// other.
pub(super) struct Instances {
    /// In the order of their IDs. Those of the start are found by index, since each batch of
    /// broadcasts looks one up.
    configured: Vec<Owned>,
    /// At most as many as the bridge admits (`daemon.limits.max_run_instances`), and those that
    /// were dropped and are not removed yet.
    transient: HashMap<InstanceId, Owned>,
    next: usize,
    max_channels: (usize, Option<usize>),
    hits: LimitHits,
    /// Bound on the logs of all configured instances.
    log_bytes: LogBytes,
}

/// Bound on the logs of one transient instance, in bytes. They do not count towards
/// `total_log_bytes`: the user who runs an instance also chooses its network, and a flood from
/// there must not evict the events of others.
pub(super) const TRANSIENT_LOG_BYTES: usize = 1 << 20;

struct Owned {
    id: InstanceId,
    instance: Instance,
    /// Its [`AddedInstance`]; none for the initial instances.
    owner: Option<Weak<()>>,
}

impl Owned {
    fn is_dropped(&self) -> bool {
        let owner = self.owner.as_ref();
        owner.is_some_and(|owner| owner.strong_count() == 0)
    }
}

impl Instances {
    /// `configured` instances, each of which may have `limits.max_channels` channels.
    pub fn new(configured: &[String], limits: &Limits, hits: &LimitHits) -> Self {
        let mut instances = Self {
            configured: Vec::new(),
            transient: HashMap::new(),
            next: 0,
            max_channels: (limits.max_channels, limits.user.max_channels),
            hits: hits.clone(),
            log_bytes: LogBytes::new(limits.total_log_bytes),
        };
        for name in configured {
            let id = instances.next_id();
            let log_bytes = instances.log_bytes.clone();
            let instance = instances.instance(name, log_bytes);
            let owner = None;
            instances.configured.push(Owned {
                id,
                instance,
                owner,
            });
        }
        instances
    }

    fn next_id(&mut self) -> InstanceId {
        let id = InstanceId(self.next);
        self.next += 1;
        id
    }

    fn instance(&self, name: &str, log_bytes: LogBytes) -> Instance {
        Instance::new(name, self.max_channels, &self.hits, log_bytes)
    }

    /// The configured instances, in the order of their IDs.
    pub fn configured(&self) -> impl Iterator<Item = (InstanceId, &Instance)> {
        self.configured.iter().map(|it| (it.id, &it.instance))
    }

    pub fn add(&mut self, name: &str, kind: InstanceKind) -> AddedInstance {
        let id = self.next_id();
        let log_bytes = match kind {
            InstanceKind::Configured => self.log_bytes.clone(),
            InstanceKind::Transient => LogBytes::new(TRANSIENT_LOG_BYTES),
        };
        let instance = self.instance(name, log_bytes);
        let alive = Arc::new(());
        let added = AddedInstance {
            id,
            wanted: instance.wanted.subscribe(),
            _alive: alive.clone(),
        };
        let owner = Some(Arc::downgrade(&alive));
        let entry = Owned {
            id,
            instance,
            owner,
        };
        match kind {
            InstanceKind::Configured => self.configured.push(entry),
            InstanceKind::Transient => drop(self.transient.insert(id, entry)),
        }
        added
    }

    pub fn remove(&mut self, id: InstanceId) -> Option<Instance> {
        let owned = match self.index(id) {
            Some(index) => self.configured.remove(index),
            None => self.transient.remove(&id)?,
        };
        Some(owned.instance)
    }

    /// IDs of the instances whose owner was dropped without removing them.
    pub fn dropped(&self) -> Vec<InstanceId> {
        let all = self.configured.iter().chain(self.transient.values());
        all.filter(|it| it.is_dropped()).map(|it| it.id).collect()
    }

    /// Replaces the limits, also of existing channels.
    pub fn set_limits(&mut self, limits: &Limits) {
        self.max_channels = (limits.max_channels, limits.user.max_channels);
        self.log_bytes.set_bound(limits.total_log_bytes);
        let bounds = Bounds::of(limits);
        for (_, instance) in self.iter() {
            for state in instance.channels.values() {
                state.log.set_bounds(bounds);
            }
        }
    }

    #[inline]
    fn index(&self, id: InstanceId) -> Option<usize> {
        match self.configured.get(id.0) {
            Some(found) if found.id == id => Some(id.0),
            _ => self.configured.binary_search_by_key(&id, |it| it.id).ok(),
        }
    }

    #[inline]
    pub fn get(&self, id: InstanceId) -> Option<&Instance> {
        let owned = match self.index(id) {
            Some(index) => self.configured.get(index)?,
            None => self.transient.get(&id)?,
        };
        Some(&owned.instance)
    }

    #[inline]
    pub fn get_mut(&mut self, id: InstanceId) -> Option<&mut Instance> {
        let owned = match self.index(id) {
            Some(index) => self.configured.get_mut(index)?,
            None => self.transient.get_mut(&id)?,
        };
        Some(&mut owned.instance)
    }

    pub fn is_configured(&self, id: InstanceId) -> bool {
        self.index(id).is_some()
    }

    pub fn iter(&self) -> impl Iterator<Item = (InstanceId, &Instance)> {
        let all = self.configured.iter().chain(self.transient.values());
        all.map(|it| (it.id, &it.instance))
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Instance> {
        let transient = self.transient.values_mut();
        let all = self.configured.iter_mut().chain(transient);
        all.map(|it| &mut it.instance)
    }
}
