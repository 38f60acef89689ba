//! The apps that may log in, from the current settings.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::config::WebApp;
use crate::shares::LimitHits;

/// The configured apps. A reload replaces them.
pub(super) struct Apps {
    configured: watch::Receiver<Arc<[WebApp]>>,
    /// Numbers under which shares are counted, by name; one for each name that was ever configured.
    numbers: Mutex<HashMap<String, u32>>,
    limit_hits: LimitHits,
}

impl Apps {
    pub fn new(configured: watch::Receiver<Arc<[WebApp]>>, limit_hits: LimitHits) -> Self {
        Self {
            configured,
            numbers: Mutex::default(),
            limit_hits,
        }
    }

    /// The app that logs in with a uuid.
    pub fn by_uuid(&self, uuid: &str) -> Option<WebApp> {
        self.find(|app| app.uuid == uuid)
    }

    /// The app of a name.
    pub fn by_name(&self, name: &str) -> Option<WebApp> {
        self.find(|app| app.name == name)
    }

    /// True if some app has pages of this origin.
    pub fn know_origin(&self, origin: &str) -> bool {
        let apps = self.configured.borrow();
        apps.iter()
            .any(|app| app.origins.iter().any(|known| known == origin))
    }

    /// Notified when a reload replaces the apps.
    pub fn changes(&self) -> watch::Receiver<Arc<[WebApp]>> {
        self.configured.clone()
    }

    /// The number of an app, which never changes.
    pub fn number(&self, name: &str) -> u32 {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
        *numbers.entry(name.to_owned()).or_insert_with(|| {
            self.limit_hits.name_app(next, name);
            next
        })
    }

    fn find(&self, wanted: impl Fn(&WebApp) -> bool) -> Option<WebApp> {
        self.configured
            .borrow()
            .iter()
            .find(|app| wanted(app))
            .cloned()
    }
}
