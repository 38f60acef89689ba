//! Session tokens: signed with a key that is made of the configured secrets, so that they outlive a restart of the network, as a
//! real one's do: the SDKs come back with the token that they have. A network without secrets takes a random key.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::error::ApiError;
use super::settings::HubSettings;
use crate::exp::login::{self, TokenError};
use crate::exp::{Identity, Secret};

/// Signs and verifies the tokens of one running network.
pub(super) struct Tokens {
    key: Secret,
    ttl: Duration,
}

/// What a token says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct TokenClaims {
    pub identity: Identity,
    /// Which issue of the device's credentials it was made from; see [`Directory`](super::directory::Directory).
    pub serial: u64,
    /// Milliseconds since the epoch, as in the authentication payload.
    pub expiration: i64,
    /// The same in seconds, for those who read tokens the usual way.
    exp: i64,
    iat: i64,
    /// Makes each token different from all others.
    jti: String,
}

impl Tokens {
    pub(super) fn new(settings: &HubSettings) -> Self {
        Self {
            key: key(settings),
            ttl: settings.token_ttl,
        }
    }

    /// When a token that is issued now ends.
    pub(super) fn expiration(&self) -> i64 {
        now_millis().saturating_add(i64::try_from(self.ttl.as_millis()).unwrap_or(i64::MAX))
    }

    pub(super) fn issue(&self, identity: Identity, serial: u64, expiration: i64) -> Secret {
        let claims = TokenClaims {
            identity,
            serial,
            expiration,
            exp: expiration / 1000,
            iat: now_millis() / 1000,
            jti: hex(&rand::random::<[u8; 16]>()),
        };
        login::sign(&claims, &self.key)
    }

    pub(super) fn verify(&self, token: &Secret) -> Result<TokenClaims, ApiError> {
        let claims: TokenClaims = login::verify(token, &self.key).map_err(|error| {
            let message = match error {
                TokenError::Signature => {
                    "the token was not issued by this network as it runs now; log in again"
                        .to_owned()
                }
                other => format!("{other}; log in again"),
            };
            ApiError::unauthorized("authentication.token.invalid", message)
        })?;
        if claims.expiration <= now_millis() {
            return Err(ApiError::unauthorized(
                "authentication.token.expired",
                "the token has expired; log in again",
            ));
        }
        Ok(claims)
    }
}

/// The key that follows from the organization and the secrets of its devices and consumer apps.
fn key(settings: &HubSettings) -> Secret {
    let devices = settings.devices.iter().map(|d| (&d.uuid, &d.secret));
    let apps = settings
        .consumer_apps
        .iter()
        .map(|app| (&app.uuid, &app.api_key));
    let secrets: Vec<_> = devices.chain(apps).collect();
    if secrets.is_empty() {
        return Secret::new(hex(&rand::random::<[u8; 32]>()));
    }
    let mut digest = Sha256::new_with_prefix("expd hub: session tokens");
    let mut take = |text: &str| {
        // With its length, so that no two lists make one text.
        digest.update(text.len().to_be_bytes());
        digest.update(text);
    };
    take(&settings.organization);
    for (uuid, secret) in secrets {
        take(uuid);
        take(secret.expose());
    }
    Secret::new(hex(&digest.finalize()))
}

pub(super) fn now_millis() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        })
}

/// Random bytes as text.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exp::IdentityKind;
    use crate::hub::HubDevice;

    fn identity() -> Identity {
        Identity {
            uuid: "u".into(),
            kind: IdentityKind::Device,
            organization: "o".into(),
            pairing_code: None,
        }
    }

    #[test]
    fn a_token_holds_until_it_expires_and_in_its_own_network_alone() {
        let settings = HubSettings::default();
        let tokens = Tokens::new(&settings);
        let token = tokens.issue(identity(), 3, tokens.expiration());
        let claims = tokens.verify(&token).unwrap();
        assert_eq!((claims.identity, claims.serial), (identity(), 3));
        assert_ne!(
            token,
            tokens.issue(identity(), 3, tokens.expiration()),
            "no two tokens are the same"
        );
        let other = Tokens::new(&settings);
        assert_eq!(
            other.verify(&token).unwrap_err().code,
            "authentication.token.invalid"
        );
        let old = tokens.issue(identity(), 3, now_millis());
        assert_eq!(
            tokens.verify(&old).unwrap_err().code,
            "authentication.token.expired"
        );
    }

    #[test]
    fn a_token_outlives_a_restart_with_the_same_secrets() {
        let network = |secret: &str| {
            Tokens::new(&HubSettings {
                devices: vec![HubDevice {
                    uuid: "u".to_owned(),
                    secret: Secret::new(secret),
                }],
                ..HubSettings::default()
            })
        };
        let before = network("secret");
        let token = before.issue(identity(), 1, before.expiration());
        assert!(network("secret").verify(&token).is_ok());
        assert!(network("another").verify(&token).is_err());
    }
}
