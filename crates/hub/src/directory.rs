//! Identities that may log in: users, consumer apps and devices, including devices that wait to be
//! paired.

use std::collections::HashMap;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::error::ApiError;
use super::pairing_codes::{Credentials, IssuedCode, PairingCodes};
use super::settings::{HubDevice, HubSettings};
use super::store::{Contents, Store, Table};
use super::tokens::{Tokens, hex};
use expd_domain::{Identity, IdentityKind, Quoted, Secret};
use expd_server::address::Address;
use expd_server::lock::lock;
use expd_server::token_life::TokenLife;

const MAX_DEVICES: usize = 10_000;

/// Maximum length of a uuid that an operator chooses.
const MAX_UUID_BYTES: usize = 64;

pub(super) struct Directory {
    users: HashMap<String, User>,
    consumer_apps: HashMap<String, Secret>,
    devices: Mutex<Devices>,
    organization: String,
    tokens: Tokens,
}

struct User {
    password_hash: String,
    role: String,
}

#[derive(Default)]
struct Devices {
    known: HashMap<String, Device>,
    codes: PairingCodes,
    /// Digests of the device secrets in the settings, by uuid.
    configured: HashMap<String, String>,
    store: Store,
}

/// Stored device, under its uuid.
#[derive(Serialize, Deserialize)]
struct StoredDevice {
    secret: Secret,
    origin: DeviceOrigin,
}

/// Secret of a device, and its fingerprint in tokens: tokens based on an earlier secret end when
/// the device is removed or paired again.
#[derive(Clone)]
pub(super) struct Device {
    pub secret: Secret,
    pub fingerprint: u64,
    pub origin: DeviceOrigin,
}

/// Source of a device, which decides how it is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum DeviceOrigin {
    /// The settings name it, again at each start.
    Settings,
    /// The operator paired it.
    Pairing,
    /// A client created it, and may delete it.
    Resource,
}

impl Directory {
    /// Takes the users, apps and devices of the settings, and the devices and revocations of the
    /// store, and writes each later change to the store.
    pub(super) fn new(
        settings: &HubSettings,
        tokens: Tokens,
        store: Store,
        contents: &mut Contents,
    ) -> Self {
        let mut devices = Devices::default();
        let revoked: HashMap<_, _> = contents.take(Table::Revoked).into_iter().collect();
        for HubDevice { uuid, secret } in &settings.devices {
            let digest = digest(uuid, secret);
            if revoked.get(uuid) != Some(&digest) {
                devices.add(&tokens, uuid, secret.clone(), DeviceOrigin::Settings);
            }
            devices.configured.insert(uuid.clone(), digest);
        }
        for (uuid, record) in contents.take(Table::Devices) {
            match serde_json::from_str(&record) {
                Ok(StoredDevice { secret, origin }) => devices.add(&tokens, &uuid, secret, origin),
                Err(_) => log::error!("invalid device {} in the store", Quoted(&uuid)),
            }
        }
        devices.store = store;
        Self {
            users: settings
                .users
                .iter()
                .map(|user| {
                    let known = User {
                        password_hash: user.password_hash.clone(),
                        role: user.role.clone(),
                    };
                    (user.username.clone(), known)
                })
                .collect(),
            consumer_apps: settings
                .consumer_apps
                .iter()
                .map(|app| (app.uuid.clone(), app.api_key.clone()))
                .collect(),
            devices: Mutex::new(devices),
            organization: settings.organization.clone(),
            tokens,
        }
    }

    pub(super) fn password_hash(&self, username: &str) -> Option<&str> {
        let user = self.users.get(username)?;
        Some(&user.password_hash)
    }

    pub(super) fn role(&self, username: &str) -> Option<&str> {
        Some(&self.users.get(username)?.role)
    }

    pub(super) fn api_key(&self, uuid: &str) -> Option<&Secret> {
        self.consumer_apps.get(uuid)
    }

    pub(super) fn device(&self, uuid: &str) -> Option<Device> {
        lock(&self.devices).known.get(uuid).cloned()
    }

    /// All devices that may log in, sorted by uuid.
    pub(super) fn devices(&self) -> Vec<(String, DeviceOrigin)> {
        let devices = lock(&self.devices);
        let known = devices.known.iter();
        let mut all: Vec<_> = known.map(|(uuid, d)| (uuid.clone(), d.origin)).collect();
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        all
    }

    /// Fingerprint of a consumer app's API key in tokens.
    pub(super) fn app_fingerprint(&self, uuid: &str) -> Option<u64> {
        let key = self.consumer_apps.get(uuid)?;
        Some(self.tokens.fingerprint(uuid, key))
    }

    /// Checks that the credentials behind a token still exist.
    pub(super) fn is_valid(&self, identity: &Identity, fingerprint: u64) -> bool {
        // Servers of one user on one host may share their keys.
        if identity.organization != self.organization {
            return false;
        }
        match (identity.kind, &identity.pairing_code) {
            (IdentityKind::User, _) => self.users.contains_key(&identity.uuid),
            (IdentityKind::ConsumerApp, _) => {
                self.app_fingerprint(&identity.uuid) == Some(fingerprint)
            }
            (IdentityKind::Device, Some(code)) => lock(&self.devices).codes.contains(code),
            (IdentityKind::Device, None) => self
                .device(&identity.uuid)
                .is_some_and(|device| device.fingerprint == fingerprint),
        }
    }

    /// Issues an unused pairing code to a device at this address.
    pub(super) fn issue_code(
        &self,
        address: Address,
        life: TokenLife,
    ) -> Result<IssuedCode, ApiError> {
        lock(&self.devices).codes.issue(address, life)
    }

    /// Creates credentials for the device with this code.
    pub(super) fn pair(&self, code: &str, uuid: Option<String>) -> Result<Credentials, ApiError> {
        let uuid = match uuid {
            Some(uuid) => check_uuid(uuid)?,
            None => uuid::Uuid::new_v4().to_string(),
        };
        let devices = &mut *lock(&self.devices);
        let full = devices.is_full_for(&uuid);
        let slot = devices.codes.credentials_slot(code)?;
        if full {
            return Err(too_many_devices());
        }
        let credentials = Credentials {
            uuid: uuid.clone(),
            secret: random_secret(),
        };
        *slot = Some(credentials.clone());
        let secret = credentials.secret.clone();
        devices.add(&self.tokens, &uuid, secret, DeviceOrigin::Pairing);
        Ok(credentials)
    }

    /// Creates a device for a client, with the secret of the client's choice or a random one.
    /// Returns the secret.
    ///
    /// # Errors
    /// There are too many devices.
    pub(super) fn create_device(
        &self,
        uuid: &str,
        secret: Option<Secret>,
    ) -> Result<Secret, ApiError> {
        let devices = &mut *lock(&self.devices);
        if devices.is_full_for(uuid) {
            return Err(too_many_devices());
        }
        let secret = secret.unwrap_or_else(random_secret);
        devices.add(&self.tokens, uuid, secret.clone(), DeviceOrigin::Resource);
        Ok(secret)
    }

    /// Credentials for the device with this code, once it is paired.
    pub(super) fn credentials_for(&self, code: &str) -> Option<Credentials> {
        lock(&self.devices).codes.credentials(code).cloned()
    }

    /// Removes a device; false if there was none.
    pub(super) fn forget_device(&self, uuid: &str) -> bool {
        let mut devices = lock(&self.devices);
        devices.codes.forget(uuid);
        let Some(device) = devices.known.remove(uuid) else {
            return false;
        };
        if device.origin != DeviceOrigin::Settings {
            devices.store.put(Table::Devices, uuid, None);
        }
        if let Some(digest) = devices.configured.get(uuid) {
            // The settings will name it again at the next start.
            let digest = Some(digest.clone());
            devices.store.put(Table::Revoked, uuid, digest);
        }
        true
    }
}

impl Devices {
    fn is_full_for(&self, uuid: &str) -> bool {
        self.known.len() >= MAX_DEVICES && !self.known.contains_key(uuid)
    }

    fn add(&mut self, tokens: &Tokens, uuid: &str, secret: Secret, origin: DeviceOrigin) {
        let fingerprint = tokens.fingerprint(uuid, &secret);
        if origin != DeviceOrigin::Settings {
            let stored = serde_json::json!({"secret": secret.expose(), "origin": origin});
            self.store
                .put(Table::Devices, uuid, Some(stored.to_string()));
        }
        let device = Device {
            secret,
            fingerprint,
            origin,
        };
        self.known.insert(uuid.to_owned(), device);
    }
}

/// Digest of a secret in the settings, to detect its change. It does not involve the key of tokens,
/// which may change.
fn digest(uuid: &str, secret: &Secret) -> String {
    let digest = Sha256::new()
        .chain_update(uuid.len().to_be_bytes())
        .chain_update(uuid)
        .chain_update(secret.expose())
        .finalize();
    hex(&digest)
}

fn random_secret() -> Secret {
    Secret::new(hex(&rand::random::<[u8; 32]>()))
}

fn too_many_devices() -> ApiError {
    ApiError::full(
        "pairing.devices.full",
        format!("there are already {MAX_DEVICES} devices; unpair or delete one first"),
    )
}

fn check_uuid(uuid: String) -> Result<String, ApiError> {
    let fits = (1..=MAX_UUID_BYTES).contains(&uuid.len())
        && uuid
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    if fits {
        return Ok(uuid);
    }
    Err(ApiError::bad_request(
        "pairing.uuid.invalid",
        format!("a uuid must have 1 to {MAX_UUID_BYTES} letters, digits, dashes and dots"),
    ))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use super::*;
    use expd_server::token_life::Clocks;

    fn directory() -> Directory {
        let tokens = Tokens::new(Secret::new("key"), Duration::from_secs(60));
        let store = Store::default();
        Directory::new(
            &HubSettings::default(),
            tokens,
            store,
            &mut Contents::default(),
        )
    }

    fn code(directory: &Directory, seconds: u64) -> String {
        let address = SocketAddr::from(([127, 0, 0, 1], 1)).into();
        let life = TokenLife::begin(Duration::from_secs(seconds), Clocks::now());
        directory.issue_code(address, life).unwrap().code
    }

    #[test]
    fn a_code_pairs_once_and_only_while_it_holds() {
        let directory = directory();
        let code = code(&directory, 60);
        let paired = directory.pair(&code, None).unwrap();
        assert_eq!(
            directory.device(&paired.uuid).unwrap().secret,
            paired.secret
        );
        assert_eq!(
            directory.pair(&code, None).unwrap_err().code,
            "pairing.code.used"
        );
        let old = super::tests::code(&directory, 0);
        assert_eq!(
            directory.pair(&old, None).unwrap_err().code,
            "pairing.code.unknown"
        );
        assert!(directory.pair("nosuch", Some("no/uuid".into())).is_err());
    }

    #[test]
    fn forgetting_or_pairing_anew_ends_the_tokens_of_before() {
        let directory = directory();
        let pair = || {
            let code = code(&directory, 3600);
            directory.pair(&code, Some("screen-1".into())).unwrap();
            directory.device("screen-1").unwrap().fingerprint
        };
        let identity = Identity {
            uuid: "screen-1".into(),
            kind: IdentityKind::Device,
            organization: "demo".into(),
            pairing_code: None,
        };
        let first = pair();
        assert!(directory.is_valid(&identity, first));
        let second = pair();
        assert!(!directory.is_valid(&identity, first));
        assert!(directory.is_valid(&identity, second));
        assert!(directory.forget_device("screen-1"));
        assert!(!directory.is_valid(&identity, second));
        assert!(!directory.forget_device("screen-1"));
    }
}
