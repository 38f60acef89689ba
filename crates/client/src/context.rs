//! Contexts: names under which the listeners of a process end together.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rand::RngExt as _;
use tokio::sync::watch;

/// The contexts in use; as many as handles and listeners hold, since those that are gone leave with
/// the next that comes.
static CONTEXTS: Mutex<BTreeMap<String, Weak<Context>>> = Mutex::new(BTreeMap::new());

/// A context. All handles of one name share it.
#[derive(Debug)]
pub(crate) struct Context {
    name: String,
    cleared: watch::Sender<()>,
}

impl Context {
    /// The context of a name, shared with whoever has it already.
    pub(crate) fn named(name: &str) -> Arc<Self> {
        // A panic elsewhere leaves the map whole.
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

    /// A context that nobody else has.
    pub(crate) fn unnamed() -> Arc<Self> {
        Self::named(&format!("{:016x}", rand::rng().random::<u64>()))
    }

    /// Name by which the daemon lists the listeners. It tells processes apart, since a context is
    /// one process's own.
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
