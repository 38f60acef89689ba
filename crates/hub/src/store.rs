//! Embedded database behind the parts that hold documents: changes that a part stores outlive a
//! restart.
//!
//! Every part works in memory; a change goes to the store as the new value of one key, in the order
//! of the changes, under the lock of its part. A dedicated thread commits the gathered changes as
//! one transaction, so that many requests share one write to disk. A request that changed something
//! is answered once its change is committed (`acknowledge`). A change that cannot be committed
//! stays pending; further requests that would change something are refused up front, and each of
//! them makes the store try again.
//!
//! Without a file, a store keeps nothing and everything succeeds at once.

mod database;

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use redb::Database;
use tokio::sync::watch;

use super::error::ApiError;
use super::store_error::StoreError;
use database::{Changes, commit, open, read, remove};
use expd_server::lock::lock;

pub(super) use database::{Contents, Table};

/// Handle of the store; the last one closes it.
#[derive(Clone, Default)]
pub(super) struct Store(Option<Arc<Handle>>);

struct Handle {
    shared: Arc<Shared>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

struct Shared {
    path: PathBuf,
    state: Mutex<State>,
    work: Condvar,
    progress: watch::Sender<Progress>,
}

struct State {
    pending: Changes,
    /// Number that the next batch will get.
    batch: u64,
    wanted: bool,
    closing: bool,
}

#[derive(Clone, Default)]
struct Progress {
    /// Last batch that was tried, and last that was committed.
    tried: u64,
    committed: u64,
    error: Option<Arc<str>>,
}

impl Store {
    /// Opens or creates the database and reads all of it.
    pub(super) fn open(path: &Path) -> Result<(Self, Contents), StoreError> {
        if let Some(folder) = path.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)?;
        }
        let database = open(path)?;
        let contents = read(&database)?;
        Ok((Self::start(path, Some(database))?, contents))
    }

    fn start(path: &Path, database: Option<Database>) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            path: path.to_owned(),
            state: Mutex::new(State {
                pending: Changes::default(),
                batch: 1,
                wanted: false,
                closing: false,
            }),
            work: Condvar::new(),
            progress: watch::Sender::default(),
        });
        let writer = shared.clone();
        let thread = thread::Builder::new()
            .name("hub-store".to_owned())
            .spawn(move || writer.commit_batches(database))?;
        let handle = Handle {
            shared,
            thread: Mutex::new(Some(thread)),
        };
        Ok(Self(Some(Arc::new(handle))))
    }

    /// Sets the value of a key, or removes the key.
    pub(super) fn put(&self, table: Table, key: impl Into<String>, value: Option<String>) {
        self.change(|changes| {
            changes.values.insert((table, key.into()), value);
        });
    }

    /// Sets values in one transaction: all of them are kept, or none.
    pub(super) fn put_all(
        &self,
        table: Table,
        values: impl IntoIterator<Item = (String, Option<String>)>,
    ) {
        self.change(|changes| {
            let values = values.into_iter();
            changes
                .values
                .extend(values.map(|(key, value)| ((table, key), value)));
        });
    }

    /// Removes files once the changes so far are committed. Without a database it returns the
    /// files, which the caller must remove.
    pub(super) fn remove_files(&self, files: Vec<PathBuf>) -> Result<(), Vec<PathBuf>> {
        if self.0.is_none() {
            return Err(files);
        }
        self.change(|changes| changes.files.extend(files));
        Ok(())
    }

    fn change(&self, change: impl FnOnce(&mut Changes)) {
        if let Some(handle) = &self.0 {
            let state = &mut *lock(&handle.shared.state);
            change(&mut state.pending);
            state.wanted = true;
            handle.shared.work.notify_one();
        }
    }

    /// Refuses while changes cannot be committed; each call makes the store try again.
    pub(super) async fn ready(&self) -> Result<(), ApiError> {
        match &self.0 {
            Some(handle) if handle.shared.progress.borrow().error.is_some() => self.flushed().await,
            _ => Ok(()),
        }
    }

    /// Completes once every change so far is committed.
    pub(super) async fn flushed(&self) -> Result<(), ApiError> {
        let Some(handle) = &self.0 else {
            return Ok(());
        };
        let shared = &handle.shared;
        let batch = {
            let state = &mut *lock(&shared.state);
            if state.pending.is_empty() {
                state.batch - 1
            } else {
                state.wanted = true;
                shared.work.notify_one();
                state.batch
            }
        };
        let mut progress = shared.progress.subscribe();
        let progress = progress.wait_for(|progress| progress.tried >= batch).await;
        match progress {
            Ok(progress) if progress.committed >= batch => Ok(()),
            Ok(progress) => Err(not_kept(
                progress.error.as_deref().unwrap_or("it is closed"),
            )),
            Err(_) => Err(not_kept("it is closed")),
        }
    }

    /// Commits pending changes and closes the database, so that another process may open it.
    pub(super) async fn close(&self) {
        let Some(handle) = &self.0 else {
            return;
        };
        handle.shared.close();
        let thread = lock(&handle.thread).take();
        if let Some(thread) = thread {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                log::error!("the thread of the hub's store has panicked");
            }
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl Shared {
    fn close(&self) {
        lock(&self.state).closing = true;
        self.work.notify_one();
    }

    /// Commits one batch after another until the store is closed.
    fn commit_batches(&self, mut database: Option<Database>) {
        while let Some((changes, batch)) = self.next_batch() {
            let committed = commit(&mut database, &self.path, &changes);
            let failed = committed
                .as_ref()
                .err()
                .map(|error| Arc::from(error.to_string()));
            match committed {
                Ok(()) => remove(&changes.files),
                Err(error) => {
                    log::error!(
                        "the hub's store {} cannot be written: {error}; changes are refused until it can",
                        self.path.display()
                    );
                    lock(&self.state).pending.put_back(changes);
                }
            }
            self.progress.send_modify(|progress| {
                progress.tried = batch;
                progress.error = failed;
                if progress.error.is_none() {
                    progress.committed = batch;
                }
            });
        }
        drop(database);
        // Wakes the waiters: no further batch will come.
        self.progress.send_modify(|progress| {
            progress.tried = u64::MAX;
        });
    }

    /// Waits for changes; `None` once the store is closed and all changes were tried.
    fn next_batch(&self) -> Option<(Changes, u64)> {
        let mut state = lock(&self.state);
        while !state.wanted && !state.closing {
            state = self
                .work
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if !state.wanted {
            return None;
        }
        state.wanted = false;
        let batch = state.batch;
        state.batch += 1;
        Some((std::mem::take(&mut state.pending), batch))
    }
}

fn not_kept(reason: &str) -> ApiError {
    ApiError::busy(
        "network.store.failed",
        format!("this network cannot write its store: {reason}; the change may be lost"),
    )
}

#[cfg(test)]
mod tests;
