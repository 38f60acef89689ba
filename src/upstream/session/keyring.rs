//! The key of a paired device: in memory, where it takes effect at once, and on disk, where it
//! survives restarts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio::task::JoinError;
use tokio::time::{Instant, sleep};

use super::error::SessionError;
use super::timings::SessionTimings;
use crate::config::Credentials;
use crate::journal::JournalEvent;
use crate::upstream::backoff::Backoff;
use crate::upstream::credentials::{DeviceKey, PairedStore, StoreError, StoredKey};
use expd_domain::Secret;
use expd_domain::excerpt::excerpt;

/// Place of the key of a paired device.
#[derive(Clone, Debug)]
pub(super) enum KeyPlace {
    /// A file in this folder; `None`: no folder is configured.
    Folder(Option<PathBuf>),
    /// Memory alone: the key ends with the session.
    Memory,
}

/// The paired key of one instance. Empty and without a store where pairing is not allowed.
pub(super) struct Keyring {
    name: String,
    place: KeyPlace,
    store: Option<PairedStore>,
    key: Option<DeviceKey>,
    /// Digest of the configured credentials.
    digest: String,
    /// Instant of the next try to write to disk; `None` while disk and memory agree.
    due: Option<Instant>,
    backoff: Backoff,
    /// The key has changed since it was last written to disk.
    is_dirty: bool,
    /// Reason why the key is not on disk; `None` if it is, or if there is none.
    unsaved: watch::Sender<Option<String>>,
}

/// Reason why the key could not be written to disk.
#[derive(Debug, thiserror::Error)]
enum SaveError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("storing the paired device's credentials was interrupted: {0}")]
    Interrupted(#[from] JoinError),
}

/// Interval of the tries to store a key while the daemon stops.
const LAST_TRIES: Duration = Duration::from_millis(500);

impl Keyring {
    /// Checks that a key could be stored, and reads the stored one.
    ///
    /// # Errors
    /// Pairing is allowed and its result could not be stored. A full disk is only logged, since it
    /// may be freed; so is any disk error of a device that is paired already, since there is
    /// nothing to store.
    pub(super) fn open(
        name: &str,
        credentials: &Credentials,
        place: KeyPlace,
        timings: &SessionTimings,
    ) -> Result<Self, SessionError> {
        let mut keyring = Self {
            name: name.to_owned(),
            place,
            store: None,
            key: None,
            digest: digest(credentials),
            due: None,
            is_dirty: false,
            unsaved: watch::Sender::new(None),
            backoff: Backoff::new(timings.saving.0, timings.saving.1),
        };
        keyring.find(credentials)?;
        Ok(keyring)
    }

    /// Loads the stored key that applies with these credentials.
    fn find(&mut self, credentials: &Credentials) -> Result<(), SessionError> {
        (self.store, self.key) = (None, None);
        let KeyPlace::Folder(folder) = &self.place else {
            return Ok(());
        };
        if !may_pair(credentials) {
            return Ok(());
        }
        let folder = folder.as_deref().ok_or(SessionError::NoStateDir)?;
        let store = PairedStore::new(folder, &self.name);
        let writable = store.check_writable();
        self.key = self.read(&store)?;
        if let Err(error) = writable {
            if self.key.is_none() && !error.is_full_disk() {
                return Err(error.into());
            }
            log::error!(event = JournalEvent::CredentialsNotSaved, instance = self.name; "{error}; until then changes of the paired device's credentials do not survive a restart");
        }
        self.store = Some(store);
        Ok(())
    }

    /// Follows configured credentials that a reload has replaced. If they have changed, a key that
    /// was paired in place of the former ones no longer applies, as at a start.
    pub(super) fn follow(&mut self, credentials: &Credentials) {
        let is_same = self.digest == digest(credentials);
        let paired = self.store.is_some() || matches!(self.place, KeyPlace::Memory);
        if is_same && paired == may_pair(credentials) {
            return;
        }
        self.digest = digest(credentials);
        (self.due, self.is_dirty) = (None, false);
        self.unsaved.send_replace(None);
        if let Err(error) = self.find(credentials) {
            // The reload has checked it; the folder has changed since.
            log::error!(event = JournalEvent::CredentialsNotSaved, instance = self.name; "{error}; until a restart a pairing is kept in memory alone");
        }
    }

    fn read(&self, store: &PairedStore) -> Result<Option<DeviceKey>, SessionError> {
        let stored = match store.read() {
            Ok(stored) => stored,
            Err(error) => {
                let aside = store.set_aside()?;
                log::error!(instance = self.name; "{error}; renamed to {}; pair the device again", aside.display());
                None
            }
        };
        let Some(StoredKey {
            key,
            settings_digest,
        }) = stored
        else {
            return Ok(None);
        };
        if settings_digest.is_some_and(|digest| digest != self.digest) {
            log::warn!(instance = self.name; "the configured credentials have changed since this device was paired: using them instead of those in {}", store.file().display());
            return Ok(None);
        }
        Ok(Some(key))
    }

    /// Replaces the waits, for tests and simulations.
    pub(super) fn set_timings(&mut self, timings: &SessionTimings) {
        self.backoff = Backoff::new(timings.saving.0, timings.saving.1);
    }

    /// The key, if the device is paired.
    pub(super) fn key(&self) -> Option<&DeviceKey> {
        self.key.as_ref()
    }

    /// Stores the key of a new pairing.
    pub(super) async fn pair(&mut self, key: DeviceKey) {
        log::info!(event = JournalEvent::Paired, instance = self.name, uuid = excerpt(&key.uuid); "paired as device {}", excerpt(&key.uuid));
        self.key = Some(key);
        self.is_dirty = true;
        self.backoff.reset();
        self.save().await;
    }

    /// Drops the key of a device that was unpaired.
    pub(super) async fn unpair(&mut self) {
        log::warn!(event = JournalEvent::Unpaired, instance = self.name; "EXP has unpaired this device");
        self.key = None;
        self.is_dirty = true;
        self.backoff.reset();
        self.save().await;
    }

    /// Instant at which [`Self::save`] is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Reason why the key is not on disk, as it changes.
    pub(super) fn unsaved(&self) -> watch::Receiver<Option<String>> {
        self.unsaved.subscribe()
    }

    /// Tries for a limited time to store a key that a stop would lose.
    pub(super) async fn save_before_end(&mut self, limit: Duration) {
        if !self.is_dirty || self.key.is_none() || self.try_to_save().await.is_ok() {
            return;
        }
        log::error!(event = JournalEvent::CredentialsNotSaved, instance = self.name; "the credentials of the pairing are not stored yet: the stop waits up to {} s for room on the disk of daemon.state_dir", limit.as_secs());
        let end = Instant::now() + limit;
        loop {
            let Err(error) = self.try_to_save().await else {
                log::info!(event = JournalEvent::CredentialsSaved, instance = self.name; "the paired device's credentials on disk are up to date again");
                return;
            };
            if Instant::now() >= end {
                log::error!(event = JournalEvent::CredentialsLost, instance = self.name; "{error}; the pairing is lost: pair the device again");
                return;
            }
            sleep(LAST_TRIES).await;
        }
    }

    /// Writes memory to disk; a failure makes it due again later.
    pub(super) async fn save(&mut self) {
        let again = self.due.take().is_some();
        let Err(error) = self.try_to_save().await else {
            if again {
                log::info!(event = JournalEvent::CredentialsSaved, instance = self.name; "the paired device's credentials on disk are up to date again");
            }
            return;
        };
        let wait = self.backoff.wait();
        let until_then = if self.key.is_some() {
            "the device works, but would have to be paired again after a restart"
        } else {
            "the device returns to pairing anyway"
        };
        log::error!(event = JournalEvent::CredentialsNotSaved, instance = self.name; "{error}; until then {until_then}; trying again in {:.0} s", wait.as_secs_f64());
        self.due = Some(Instant::now() + wait);
    }

    /// Writes memory to disk.
    async fn try_to_save(&mut self) -> Result<(), SaveError> {
        let Some(store) = self.store.clone() else {
            return Ok(());
        };
        let wanted = self.key.clone().map(|key| StoredKey {
            key,
            settings_digest: Some(self.digest.clone()),
        });
        let paired = wanted.is_some();
        // The disk may be slow, and this task shares its thread with others.
        let saved = tokio::task::spawn_blocking(move || bring_in_line(&store, wanted.as_ref()));
        let saved = match saved.await {
            Ok(saved) => saved.map_err(SaveError::from),
            Err(error) => Err(error.into()),
        };
        self.is_dirty = saved.is_err();
        let unsaved = saved.as_ref().err().filter(|_| paired);
        let unsaved = unsaved.map(ToString::to_string);
        self.unsaved.send_if_modified(|now| {
            let changed = *now != unsaved;
            *now = unsaved;
            changed
        });
        saved
    }
}

fn bring_in_line(store: &PairedStore, wanted: Option<&StoredKey>) -> Result<(), StoreError> {
    match wanted {
        Some(key) => store.write(key),
        None => store.remove(),
    }
}

/// Checks that the credentials of a pairing could be stored if these credentials allow one.
///
/// # Errors
/// They could not.
pub(super) fn check_place(
    name: &str,
    credentials: &Credentials,
    folder: Option<&Path>,
) -> Result<(), SessionError> {
    if !may_pair(credentials) {
        return Ok(());
    }
    let store = PairedStore::new(folder.ok_or(SessionError::NoStateDir)?, name);
    match store.check_writable() {
        Err(error) if !error.is_full_disk() && !matches!(store.read(), Ok(Some(_))) => {
            Err(error.into())
        }
        _ => Ok(()),
    }
}

fn may_pair(credentials: &Credentials) -> bool {
    matches!(
        credentials,
        Credentials::Device {
            allow_pairing: true,
            ..
        }
    )
}

/// Digest that tells configured credentials from others without revealing them.
fn digest(credentials: &Credentials) -> String {
    let Credentials::Device { uuid, secret, .. } = credentials else {
        return String::new();
    };
    let uuid = uuid.as_deref().unwrap_or_default();
    let secret = secret.as_ref().map_or("", Secret::expose);
    // The length keeps the parts apart.
    let parts = format!("{}:{uuid}{secret}", uuid.len());
    URL_SAFE_NO_PAD.encode(Sha256::digest(parts))
}
