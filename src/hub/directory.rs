//! Who may log in: users, consumer apps and devices, and the codes of devices that wait to be paired.

use std::collections::HashMap;
use std::sync::Mutex;

use rand::Rng as _;

use super::error::ApiError;
use super::settings::HubSettings;
use super::state::lock;
use super::tokens::{hex, now_millis};
use crate::exp::{Identity, IdentityKind, Secret};

/// How many devices may be known.
const MAX_DEVICES: usize = 10_000;

/// How many devices may wait to be paired at once.
const MAX_CODES: usize = 10_000;

/// Lowercase letters and digits without those that look alike (0 o, 1 i l).
const CODE_ALPHABET: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
const CODE_LENGTH: usize = 6;

/// The longest uuid that an operator may choose.
const MAX_UUID_BYTES: usize = 64;

/// The identities of one network.
pub(super) struct Directory {
    users: HashMap<String, String>,
    consumer_apps: HashMap<String, Secret>,
    devices: Mutex<Devices>,
}

#[derive(Default)]
struct Devices {
    known: HashMap<String, Device>,
    codes: HashMap<String, PairingCode>,
    last_serial: u64,
}

/// A device's secret and which issue of it this is: forgetting a device, or pairing it anew, ends the tokens that were
/// made from the issue before.
#[derive(Clone)]
pub(super) struct Device {
    pub secret: Secret,
    pub serial: u64,
}

/// A code that was handed out and has not expired.
struct PairingCode {
    expires: i64,
    /// Set once an operator has paired it; kept until the code expires, for a device that was away at that moment.
    credentials: Option<Credentials>,
}

/// What a paired device is told.
#[derive(Clone, Debug, serde::Serialize)]
pub(super) struct Credentials {
    pub uuid: String,
    pub secret: Secret,
}

impl Directory {
    pub(super) fn new(settings: &HubSettings) -> Self {
        let mut devices = Devices::default();
        for device in &settings.devices {
            devices.add(device.uuid.clone(), device.secret.clone());
        }
        // A device that is paired while the network runs is forgotten with it, and so its tokens must not fit one that is
        // paired under the same uuid after a restart.
        devices.last_serial += u64::from(rand::random::<u32>());
        Self {
            users: settings
                .users
                .iter()
                .map(|user| (user.username.clone(), user.password_hash.clone()))
                .collect(),
            consumer_apps: settings
                .consumer_apps
                .iter()
                .map(|app| (app.uuid.clone(), app.api_key.clone()))
                .collect(),
            devices: Mutex::new(devices),
        }
    }

    pub(super) fn password_hash(&self, username: &str) -> Option<&str> {
        self.users.get(username).map(String::as_str)
    }

    pub(super) fn api_key(&self, uuid: &str) -> Option<&Secret> {
        self.consumer_apps.get(uuid)
    }

    pub(super) fn device(&self, uuid: &str) -> Option<Device> {
        lock(&self.devices).known.get(uuid).cloned()
    }

    /// Whether what a token was made from still holds.
    pub(super) fn still_holds(&self, identity: &Identity, serial: u64) -> bool {
        match (identity.kind, &identity.pairing_code) {
            (IdentityKind::User, _) => self.users.contains_key(&identity.uuid),
            (IdentityKind::ConsumerApp, _) => self.consumer_apps.contains_key(&identity.uuid),
            (IdentityKind::Device, Some(code)) => lock(&self.devices).codes.contains_key(code),
            (IdentityKind::Device, None) => self
                .device(&identity.uuid)
                .is_some_and(|device| device.serial == serial),
        }
    }

    /// A code that no other device has.
    pub(super) fn hand_out_code(&self, expires: i64) -> Result<String, ApiError> {
        let mut devices = lock(&self.devices);
        if devices.codes.len() >= MAX_CODES {
            let now = now_millis();
            devices.codes.retain(|_, code| code.expires > now);
        }
        if devices.codes.len() >= MAX_CODES {
            return Err(ApiError::too_many(
                "pairing.tooMany",
                format!("{MAX_CODES} devices wait to be paired already; try again later"),
            ));
        }
        loop {
            // 31^6 codes for at most 10,000 devices: the second try is rare, the third hardly ever.
            let code = random_code();
            if !devices.codes.contains_key(&code) {
                devices.codes.insert(
                    code.clone(),
                    PairingCode {
                        expires,
                        credentials: None,
                    },
                );
                return Ok(code);
            }
        }
    }

    /// Keeps a code for as long as its device's fresh token lives.
    pub(super) fn extend_code(&self, code: &str, expires: i64) {
        if let Some(code) = lock(&self.devices).codes.get_mut(code) {
            code.expires = expires;
        }
    }

    /// Makes credentials for the device with this code.
    pub(super) fn pair(&self, code: &str, uuid: Option<String>) -> Result<Credentials, ApiError> {
        let uuid = match uuid {
            Some(uuid) => check_uuid(uuid)?,
            None => uuid::Uuid::new_v4().to_string(),
        };
        let mut devices = lock(&self.devices);
        let full = devices.known.len() >= MAX_DEVICES && !devices.known.contains_key(&uuid);
        let now = now_millis();
        let waiting = devices
            .codes
            .get_mut(code)
            .filter(|code| code.expires > now)
            .ok_or_else(|| {
                ApiError::not_found(
                    "pairing.code.unknown",
                    "no device waits with this pairing code; read the code from the device again",
                )
            })?;
        if waiting.credentials.is_some() {
            return Err(ApiError::new(
                axum::http::StatusCode::CONFLICT,
                "pairing.code.used",
                "the device with this code has been paired already",
            ));
        }
        if full {
            return Err(ApiError::full(
                "pairing.devices.full",
                format!("{MAX_DEVICES} devices are known already; unpair one first"),
            ));
        }
        let credentials = Credentials {
            uuid: uuid.clone(),
            secret: Secret::new(hex(&rand::random::<[u8; 32]>())),
        };
        waiting.credentials = Some(credentials.clone());
        devices.add(uuid, credentials.secret.clone());
        Ok(credentials)
    }

    /// What the device with this code has to be told, when it has been paired.
    pub(super) fn credentials_for(&self, code: &str) -> Option<Credentials> {
        lock(&self.devices).codes.get(code)?.credentials.clone()
    }

    /// Forgets a device; false when there was none.
    pub(super) fn forget_device(&self, uuid: &str) -> bool {
        let mut devices = lock(&self.devices);
        devices
            .codes
            .retain(|_, code| code.credentials.as_ref().is_none_or(|c| c.uuid != uuid));
        devices.known.remove(uuid).is_some()
    }
}

impl Devices {
    fn add(&mut self, uuid: String, secret: Secret) {
        self.last_serial += 1;
        let serial = self.last_serial;
        self.known.insert(uuid, Device { secret, serial });
    }
}

/// The code as it is kept, from however an operator typed it: `ABC-def`, `abc def`.
pub(super) fn normalize_code(typed: &str) -> String {
    typed
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '-')
        .take(64)
        .flat_map(char::to_lowercase)
        .collect()
}

fn random_code() -> String {
    let mut random = rand::rng();
    (0..CODE_LENGTH)
        .filter_map(|_| CODE_ALPHABET.get(random.random_range(0..CODE_ALPHABET.len())))
        .map(|byte| char::from(*byte))
        .collect()
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
        format!("a uuid has 1 to {MAX_UUID_BYTES} letters, digits, dashes and dots"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> Directory {
        Directory::new(&HubSettings::default())
    }

    #[test]
    fn a_code_is_easy_to_read_and_to_type() {
        let code = directory().hand_out_code(i64::MAX).unwrap();
        assert_eq!(code.len(), CODE_LENGTH);
        assert!(code.bytes().all(|byte| CODE_ALPHABET.contains(&byte)));
        let typed = format!(" {}-{} ", &code[..3].to_uppercase(), &code[3..]);
        assert_eq!(normalize_code(&typed), code);
    }

    #[test]
    fn a_code_pairs_once_and_only_while_it_holds() {
        let directory = directory();
        let code = directory.hand_out_code(now_millis() + 60_000).unwrap();
        let paired = directory.pair(&code, None).unwrap();
        assert_eq!(
            directory.device(&paired.uuid).unwrap().secret,
            paired.secret
        );
        assert_eq!(
            directory.pair(&code, None).unwrap_err().code,
            "pairing.code.used"
        );
        let old = directory.hand_out_code(now_millis() - 1).unwrap();
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
            let code = directory.hand_out_code(i64::MAX).unwrap();
            directory.pair(&code, Some("screen-1".into())).unwrap();
            directory.device("screen-1").unwrap().serial
        };
        let identity = Identity {
            uuid: "screen-1".into(),
            kind: IdentityKind::Device,
            organization: "o".into(),
            pairing_code: None,
        };
        let first = pair();
        assert!(directory.still_holds(&identity, first));
        let second = pair();
        assert!(!directory.still_holds(&identity, first));
        assert!(directory.still_holds(&identity, second));
        assert!(directory.forget_device("screen-1"));
        assert!(!directory.still_holds(&identity, second));
        assert!(!directory.forget_device("screen-1"));
    }
}
