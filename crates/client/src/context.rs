//! Contexts: names of groups of listeners that end together, within a process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rand::RngExt as _;
use tokio::sync::watch;

/// Contexts in use. Handles and listeners own them; dead entries are removed when the next one is
/// added.
static CONTEXTS: Mutex<BTreeMap<String, Weak<Context>>> = Mutex::new(BTreeMap::new());

/// A context. All handles of one name share it.
#[derive(Debug)]
pub(crate) struct Context {
    name: String,
    cleared: watch::Sender<()>,
}

impl Context {
    /// The context with this name, shared with its other users.
    pub(crate) fn named(name: &str) -> Arc<Self> {
        // A panic elsewhere leaves the map consistent.
        let mut contexts = CONTEXTS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(context) = contexts.get(name).and_then(Weak::upgrade) {
            return context;
        }
        contexts.retain(|_, context| context.strong_count() > 0);
        let context = Arc::new(Self {
            name: name.to_owned(),
            cleared: watch::Sender::new(()),
        });
        contexts.insert(name.to_owned(), Arc::downgrade(&context));
        context
    }

    /// A context that is shared with nobody.
    pub(crate) fn unnamed() -> Arc<Self> {
        Self::named(&format!("{:016x}", rand::rng().random::<u64>()))
    }

    /// The context's name in the daemon. It is unique to this process, since a context is.
    pub(crate) fn name_in_daemon(&self) -> String {
        format!("{}@{}", self.name, std::process::id())
    }

    /// Changes when the context is cleared.
    pub(crate) fn watch(&self) -> watch::Receiver<()> {
        self.cleared.subscribe()
    }

    /// Ends the listeners that watch it now.
    pub(crate) fn clear(&self) {
        self.cleared.send_replace(());
    }
}
