//! The pages at the door, as status and metrics show them.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::moment::BootTime;
use crate::router::ListenerInfo;

/// The open pages, and counts of each app since the start. Clones share them.
#[derive(Clone, Default)]
pub struct Pages(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    /// Bounded by the door's limit.
    open: HashMap<u64, Arc<PageInfo>>,
    /// Bounded by the apps that were configured since the start.
    apps: BTreeMap<String, AppCounts>,
    last: u64,
}

/// One app's pages since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppCounts {
    /// The instance that its pages share.
    pub instance: String,
    /// Counts by origin; bounded by the origins that were configured since the start.
    pub origins: BTreeMap<String, PageCounts>,
}

/// Counts of pages since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageCounts {
    /// Live sockets opened.
    pub opened: u64,
    /// Broadcasts delivered to sockets that have ended.
    pub delivered: u64,
    /// Sockets closed because they did not read, or because something could not be delivered.
    pub cut: u64,
    /// Handshakes refused because the network was away, or something had been missed.
    pub refused: u64,
}

impl Inner {
    fn app(&mut self, name: &str) -> &mut AppCounts {
        self.apps.entry(name.to_owned()).or_default()
    }
}

impl AppCounts {
    /// Counts over all origins.
    pub fn total(&self) -> PageCounts {
        let mut total = PageCounts::default();
        for counts in self.origins.values() {
            total.opened += counts.opened;
            total.delivered += counts.delivered;
            total.cut += counts.cut;
            total.refused += counts.refused;
        }
        total
    }

    fn of(&mut self, origin: &str) -> &mut PageCounts {
        self.origins.entry(origin.to_owned()).or_default()
    }
}

/// One live socket of a page.
#[derive(Debug)]
pub struct PageInfo {
    /// Name of its app.
    pub app: String,
    /// Its origin.
    pub origin: String,
    /// The instance that it shares.
    pub instance: String,
    /// Time when the socket was opened.
    pub since: BootTime,
    /// Generation of Engine.IO: 3 or 4.
    pub protocol: u8,
    /// True over a WebSocket, false for long polling.
    pub websocket: AtomicBool,
    listeners: Mutex<Vec<Arc<ListenerInfo>>>,
    delivered: AtomicU64,
}

impl PageInfo {
    /// A page that has just connected.
    pub fn new(app: &str, origin: &str, instance: &str, protocol: u8) -> Self {
        Self {
            app: app.to_owned(),
            origin: origin.to_owned(),
            instance: instance.to_owned(),
            since: BootTime::now(),
            protocol,
            websocket: AtomicBool::new(false),
            listeners: Mutex::default(),
            delivered: AtomicU64::new(0),
        }
    }

    /// Adds a channel's listener.
    pub fn listen(&self, listener: Arc<ListenerInfo>) {
        self.listeners().push(listener);
    }

    /// Removes all listeners: the page has yet to subscribe again.
    pub fn forget_listeners(&self) {
        self.listeners().clear();
    }

    /// Counts broadcasts that were written.
    pub fn add_delivered(&self, count: u64) {
        self.delivered.fetch_add(count, Ordering::Relaxed);
    }

    /// Number of broadcasts written so far.
    pub fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Number of events that it has yet to receive, over its channels.
    pub fn behind(&self) -> u64 {
        self.listeners()
            .iter()
            .map(|listener| listener.behind())
            .sum()
    }

    pub fn channels(&self) -> usize {
        self.listeners().len()
    }

    fn listeners(&self) -> MutexGuard<'_, Vec<Arc<ListenerInfo>>> {
        self.listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open page among the [`Pages`], until it is dropped.
pub struct OpenPage {
    pages: Pages,
    number: u64,
    /// Its public record.
    pub info: Arc<PageInfo>,
}

impl Drop for OpenPage {
    fn drop(&mut self) {
        let mut inner = self.pages.lock();
        inner.open.remove(&self.number);
        let app = inner.app(&self.info.app);
        app.of(&self.info.origin).delivered += self.info.delivered();
    }
}

impl Pages {
    /// Adds an open page.
    pub fn open(&self, info: PageInfo) -> OpenPage {
        let info = Arc::new(info);
        let mut inner = self.lock();
        inner.last += 1;
        let number = inner.last;
        inner.open.insert(number, info.clone());
        let app = inner.app(&info.app);
        app.of(&info.origin).opened += 1;
        app.instance.clone_from(&info.instance);
        OpenPage {
            pages: self.clone(),
            number,
            info,
        }
    }

    /// Counts a page that was cut.
    pub fn count_cut(&self, app: &str, origin: &str) {
        let mut inner = self.lock();
        inner.app(app).of(origin).cut += 1;
    }

    /// Counts a refused handshake.
    pub fn count_refused(&self, app: &str, origin: &str, instance: &str) {
        let mut inner = self.lock();
        let app = inner.app(app);
        app.of(origin).refused += 1;
        instance.clone_into(&mut app.instance);
    }

    /// The open pages, the oldest first.
    pub fn list(&self) -> Vec<Arc<PageInfo>> {
        let inner = self.lock();
        let mut open: Vec<_> = inner.open.iter().collect();
        open.sort_unstable_by_key(|(number, _)| **number);
        open.into_iter().map(|(_, info)| info.clone()).collect()
    }

    /// Counts of each app, those of open pages included.
    pub fn apps(&self) -> BTreeMap<String, AppCounts> {
        let inner = self.lock();
        let mut apps = inner.apps.clone();
        for info in inner.open.values() {
            let app = apps.entry(info.app.clone()).or_default();
            app.of(&info.origin).delivered += info.delivered();
        }
        apps
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Consistent after each statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_counted_by_app_and_origin() {
        let pages = Pages::default();
        let open = |origin| pages.open(PageInfo::new("board", origin, "default", 4));
        let (first, second) = (open("https://a.example"), open("https://b.example"));
        first.info.add_delivered(3);
        second.info.add_delivered(4);
        drop(first);
        pages.count_cut("board", "https://a.example");
        pages.count_refused("board", "https://a.example", "default");
        let apps = pages.apps();
        let of = |opened, delivered, cut, refused| PageCounts {
            opened,
            delivered,
            cut,
            refused,
        };
        assert_eq!(apps["board"].origins["https://a.example"], of(1, 3, 1, 1));
        assert_eq!(apps["board"].origins["https://b.example"], of(1, 4, 0, 0));
        assert_eq!(apps["board"].total(), of(2, 7, 1, 1));
    }
}
