//! Tokens, signed with a key that the server keeps (see `keys`), so that they outlive a restart as
//! those of the real network do: SDKs reconnect with the token that they have.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::error::ApiError;
use expd_domain::login::{self, TokenError};
use expd_domain::{Identity, Secret};

/// Signs and verifies tokens.
#[derive(Clone)]
pub(super) struct Tokens {
    key: Secret,
    ttl: Duration,
}

/// Claims of a token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct TokenClaims {
    pub identity: Identity,
    /// Fingerprint of the credentials behind it: the token ends when they change. 0 for users.
    pub fingerprint: u64,
    /// Milliseconds since the epoch, as in the authentication payload.
    pub expiration: i64,
    /// The same in seconds, for standard JWT readers.
    exp: i64,
    iat: i64,
    /// Makes each token unique.
    jti: String,
}

impl Tokens {
    pub(super) fn new(key: Secret, ttl: Duration) -> Self {
        Self { key, ttl }
    }

    /// Fingerprint of credentials, which reveals nothing about them to readers of tokens.
    pub(super) fn fingerprint(&self, uuid: &str, secret: &Secret) -> u64 {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.key.expose().as_bytes()) else {
            // HMAC accepts keys of every length.
            return 0;
        };
        // Tokens contain no zero byte, and these lengths do, so no fingerprint can be mistaken for
        // a signature.
        for text in ["credentials", uuid, secret.expose()] {
            mac.update(&text.len().to_be_bytes());
            mac.update(text.as_bytes());
        }
        let digest = mac.finalize().into_bytes();
        digest
            .iter()
            .take(8)
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }

    /// Expiry of a token that is issued now.
    pub(super) fn expiration(&self) -> i64 {
        now_millis().saturating_add(i64::try_from(self.ttl.as_millis()).unwrap_or(i64::MAX))
    }

    pub(super) fn issue(&self, identity: Identity, fingerprint: u64, expiration: i64) -> Secret {
        let claims = TokenClaims {
            identity,
            fingerprint,
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
                    "the token is not signed with this network's key; log in again".to_owned()
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

pub(super) fn now_millis() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        })
}

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
    use expd_domain::IdentityKind;

    const TTL: Duration = Duration::from_secs(60);

    fn identity() -> Identity {
        Identity {
            uuid: "u".into(),
            kind: IdentityKind::Device,
            organization: "o".into(),
            pairing_code: None,
        }
    }

    #[test]
    fn a_token_holds_until_it_expires_and_under_its_key_alone() {
        let tokens = Tokens::new(Secret::new("key"), TTL);
        let token = tokens.issue(identity(), 3, tokens.expiration());
        let again = Tokens::new(Secret::new("key"), TTL);
        let claims = again.verify(&token).unwrap();
        assert_eq!((claims.identity, claims.fingerprint), (identity(), 3));
        assert_ne!(
            token,
            tokens.issue(identity(), 3, tokens.expiration()),
            "no two tokens are the same"
        );
        let other = Tokens::new(Secret::new("another"), TTL);
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
    fn a_fingerprint_is_of_one_credential_under_one_key() {
        let tokens = Tokens::new(Secret::new("key"), TTL);
        let of = |uuid: &str, secret: &str| tokens.fingerprint(uuid, &Secret::new(secret));
        assert_eq!(of("u", "secret"), of("u", "secret"));
        assert_ne!(of("u", "secret"), of("u", "another"));
        assert_ne!(of("u", "secret"), of("us", "ecret"));
        let other = Tokens::new(Secret::new("another"), TTL);
        assert_ne!(
            of("u", "secret"),
            other.fingerprint("u", &Secret::new("secret"))
        );
    }
}
