//! Tokens, signed with a key that the server keeps (see `keys`), so that they outlive a restart as
//! those of the real network do: SDKs reconnect with their token.
//!
//! Restricted tokens grant reading content alone, and live longer: they are part of URLs. Their key
//! is derived from the other, so that neither kind is ever accepted as the other.
//!
//! Neither kind's life depends on the wall clock within a boot; see `expd_server::token_life`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::ApiError;
use expd_domain::login;
use expd_domain::{Identity, Secret};
use expd_server::token::{derived_key, expired, invalid};
use expd_server::token_life::{BootEnd, Clocks, TokenLife};

pub(super) use expd_server::token::{hex, now_millis};

/// A restricted token is valid for 30 days or a little more. It is the same for all logins of an
/// identity on one day, so that the URLs of content stay the same and are cached.
const RESTRICTED_DAYS: i64 = 31;
const RESTRICTED_LIFETIME: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// Signs and verifies tokens.
#[derive(Clone)]
pub(super) struct Tokens {
    key: Secret,
    restricted_key: Secret,
    ttl: Duration,
}

/// Claims of a token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct TokenClaims {
    pub identity: Identity,
    /// Fingerprint of the credentials behind the token, which ends when they change. 0 for users.
    pub fingerprint: u64,
    /// The login that the token descends from by refreshes. Empty in tokens of earlier versions.
    #[serde(default)]
    pub login: String,
    /// Milliseconds since the epoch, as in the authentication payload.
    expiration: i64,
    #[serde(default)]
    boot: Option<BootEnd>,
    /// The same in seconds, for standard JWT readers.
    exp: i64,
    iat: i64,
    /// Makes each token unique.
    jti: String,
}

/// Claims of a restricted token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RestrictedClaims {
    pub identity: Identity,
    /// As in [`TokenClaims`].
    pub fingerprint: u64,
    expiration: i64,
    #[serde(default)]
    boot: Option<BootEnd>,
}

impl TokenClaims {
    pub(super) fn life(&self) -> TokenLife {
        TokenLife {
            expiration: self.expiration,
            boot: self.boot,
        }
    }
}

impl Tokens {
    pub(super) fn new(key: Secret, ttl: Duration) -> Self {
        Self {
            restricted_key: derived_key(&key, "restricted tokens"),
            key,
            ttl,
        }
    }

    /// Fingerprint of credentials, which reveals nothing about them to readers of tokens.
    pub(super) fn fingerprint(&self, uuid: &str, secret: &Secret) -> u64 {
        expd_server::token::fingerprint(&self.key, uuid, secret)
    }

    /// Life of a token that is issued now.
    pub(super) fn life(&self) -> TokenLife {
        TokenLife::begin(self.ttl, Clocks::now())
    }

    /// Remaining time of a token's life; zero once it has expired.
    pub(super) fn left(&self, life: TokenLife) -> Duration {
        life.left(self.ttl, Clocks::now())
    }

    pub(super) fn issue(
        &self,
        identity: Identity,
        fingerprint: u64,
        login: &str,
        life: TokenLife,
    ) -> Secret {
        let claims = TokenClaims {
            identity,
            fingerprint,
            login: login.to_owned(),
            expiration: life.expiration,
            boot: life.boot,
            exp: life.expiration / 1000,
            iat: now_millis() / 1000,
            jti: hex(&rand::random::<[u8; 16]>()),
        };
        login::sign(&claims, &self.key)
    }

    pub(super) fn verify(&self, token: &Secret) -> Result<TokenClaims, ApiError> {
        let claims = self.read(token)?;
        if self.left(claims.life()).is_zero() {
            return Err(expired());
        }
        Ok(claims)
    }

    /// Claims of a token that may have expired.
    pub(super) fn read(&self, token: &Secret) -> Result<TokenClaims, ApiError> {
        login::verify(token, &self.key).map_err(invalid)
    }

    pub(super) fn issue_restricted(&self, identity: Identity, fingerprint: u64) -> Secret {
        let life = TokenLife::begin_with_the_day(RESTRICTED_DAYS, Clocks::now());
        let claims = RestrictedClaims {
            identity,
            fingerprint,
            expiration: life.expiration,
            boot: life.boot,
        };
        login::sign(&claims, &self.restricted_key)
    }

    pub(super) fn verify_restricted(&self, token: &Secret) -> Result<RestrictedClaims, ApiError> {
        let claims: RestrictedClaims =
            login::verify(token, &self.restricted_key).map_err(invalid)?;
        let life = TokenLife {
            expiration: claims.expiration,
            boot: claims.boot,
        };
        if life.left(RESTRICTED_LIFETIME, Clocks::now()).is_zero() {
            return Err(expired());
        }
        Ok(claims)
    }
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
        let token = tokens.issue(identity(), 3, "login", tokens.life());
        let again = Tokens::new(Secret::new("key"), TTL);
        let claims = again.verify(&token).unwrap();
        assert_eq!((claims.identity, claims.fingerprint), (identity(), 3));
        assert_ne!(
            token,
            tokens.issue(identity(), 3, "login", tokens.life()),
            "no two tokens are the same"
        );
        let other = Tokens::new(Secret::new("another"), TTL);
        assert_eq!(
            other.verify(&token).unwrap_err().code,
            "authentication.token.invalid"
        );
        let old = tokens.issue(
            identity(),
            3,
            "login",
            TokenLife::begin(Duration::ZERO, Clocks::now()),
        );
        assert_eq!(
            tokens.verify(&old).unwrap_err().code,
            "authentication.token.expired"
        );
    }

    #[test]
    fn a_restricted_token_is_the_same_all_day_and_none_of_the_other_kind() {
        let tokens = Tokens::new(Secret::new("key"), TTL);
        let restricted = tokens.issue_restricted(identity(), 3);
        let again = tokens.issue_restricted(identity(), 3);
        // Midnight may pass between the two.
        let (one, two) = (
            tokens.verify_restricted(&restricted).unwrap(),
            tokens.verify_restricted(&again).unwrap(),
        );
        assert!(restricted == again || one.expiration < two.expiration || one.boot != two.boot);
        assert_eq!((one.identity, one.fingerprint), (identity(), 3));
        assert!(one.expiration > now_millis() + 30 * 24 * 3_600_000);
        let token = tokens.issue(identity(), 3, "login", tokens.life());
        for refused in [
            tokens.verify(&restricted).unwrap_err(),
            tokens.verify_restricted(&token).unwrap_err(),
        ] {
            assert_eq!(refused.code, "authentication.token.invalid");
        }
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
