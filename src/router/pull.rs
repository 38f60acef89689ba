//! Listeners in pull form: kept between the calls of a program that asks for one event at a time.
//!
//! A listener is taken out for the time of a call and put back after it, so nothing is locked while a call waits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::listener::{Delivery, Listener};
use super::log::Moment;

/// How long a listener is kept that nobody asks for an event.
pub const UNASKED: Duration = Duration::from_secs(60);

/// A listener between two calls: the cursor, and what it has read but not yet handed over.
#[derive(Debug)]
pub struct Pulled {
    /// The cursor.
    pub listener: Listener,
    /// Read from the log, oldest first; at most one read's worth.
    pub ready: std::collections::VecDeque<Delivery>,
}

/// All listeners in pull form. As many as the router's limit on listeners allows.
#[derive(Clone, Debug, Default)]
pub struct PullListeners(Arc<Mutex<HashMap<String, Kept>>>);

#[derive(Debug)]
enum Kept {
    /// Waits for the next call, since then.
    Resting(Box<Pulled>, Instant),
    /// A call has it.
    Out,
}

/// Why a listener could not be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PullError {
    /// Never opened, cancelled, or not asked for too long.
    #[error(
        "no such listener: it was never opened, was cancelled, or nobody asked for an event for 60 s; open another"
    )]
    Unknown,
    /// Another call waits on it.
    #[error(
        "another NextEvent is waiting on this listener; ask again when it has returned, or open a listener of your own"
    )]
    Busy,
}

impl PullListeners {
    /// Keeps a listener under its own ID.
    pub fn keep(&self, listener: Listener) -> String {
        let id = listener.card().id.clone();
        let pulled = Pulled {
            listener,
            ready: std::collections::VecDeque::new(),
        };
        self.lock().insert(
            id.clone(),
            Kept::Resting(Box::new(pulled), Moment::now().at),
        );
        id
    }

    /// Takes a listener out for one call; it is put back when the guard is dropped.
    ///
    /// # Errors
    /// When there is none, or another call has it.
    pub fn take(&self, id: &str) -> Result<Taken, PullError> {
        let mut all = self.lock();
        let kept = all.get_mut(id).ok_or(PullError::Unknown)?;
        match std::mem::replace(kept, Kept::Out) {
            Kept::Resting(pulled, _) => Ok(Taken {
                home: self.clone(),
                id: id.to_owned(),
                pulled: Some(pulled),
            }),
            Kept::Out => Err(PullError::Busy),
        }
    }

    /// Forgets a listener; a call that has it keeps it until the call ends.
    pub fn forget(&self, id: &str) {
        // Dropped after the lock is released: dropping a listener locks its log.
        let forgotten = self.lock().remove(id);
        drop(forgotten);
    }

    /// Forgets everything that nobody has asked for too long.
    pub fn expire(&self, now: Moment) {
        let mut all = self.lock();
        let stale: Vec<String> = all
            .iter()
            .filter(|(_, kept)| matches!(kept, Kept::Resting(_, since) if now.at.saturating_duration_since(*since) > UNASKED))
            .map(|(id, _)| id.clone())
            .collect();
        let expired: Vec<Kept> = stale.iter().filter_map(|id| all.remove(id)).collect();
        drop(all);
        drop(expired);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Kept>> {
        // The map is whole after each statement, so a panic elsewhere does not spoil it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A listener that a call has taken out.
#[derive(Debug)]
pub struct Taken {
    home: PullListeners,
    id: String,
    pulled: Option<Box<Pulled>>,
}

impl Taken {
    /// The listener.
    pub fn get(&mut self) -> Option<&mut Pulled> {
        self.pulled.as_deref_mut()
    }

    /// Ends the listener instead of putting it back.
    pub fn end(mut self) {
        self.pulled = None;
        self.home.forget(&self.id);
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let Some(pulled) = self.pulled.take() else {
            return;
        };
        let mut all = self.home.lock();
        let homeless = match all.get_mut(&self.id) {
            Some(kept) => {
                *kept = Kept::Resting(pulled, Moment::now().at);
                None
            }
            // Cancelled meanwhile.
            None => Some(pulled),
        };
        drop(all);
        drop(homeless);
    }
}
