//! All configured identities.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::handle::Bridge;
use crate::config::settings::DEFAULT_INSTANCE;

/// All configured identities by name. Clones share them.
#[derive(Clone)]
pub struct Bridges(Arc<BTreeMap<String, Arc<Bridge>>>);

impl Bridges {
    /// Collects bridges under their names.
    pub fn new(bridges: impl IntoIterator<Item = Arc<Bridge>>) -> Self {
        let by_name = bridges.into_iter().map(|b| (b.name.clone(), b));
        Self(Arc::new(by_name.collect()))
    }

    /// The instance of that name; the empty name is the default instance.
    pub fn get(&self, name: &str) -> Option<&Arc<Bridge>> {
        self.0.get(Self::full_name(name))
    }

    /// Resolves the empty name in a request to the default instance's.
    pub fn full_name(name: &str) -> &str {
        if name.is_empty() {
            DEFAULT_INSTANCE
        } else {
            name
        }
    }

    /// The default instance first, then the others by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Bridge>> {
        let default = self.0.get(DEFAULT_INSTANCE);
        let others = self.0.values().filter(|b| b.name != DEFAULT_INSTANCE);
        default.into_iter().chain(others)
    }
}
