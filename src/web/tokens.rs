//! The door's own tokens: signed with a key in the state folder, so that they survive a restart,
//! and bound to an app and an origin.
//!
//! Their life does not depend on the wall clock within a boot; see `expd_server::token_life`.
//!
//! Restricted tokens read only content and layouts. They are part of URLs and cookies, and are
//! signed with a key derived from the first, so that neither kind can be mistaken for the other.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::WebApp;
use expd_domain::{Secret, login};
use expd_server::error::ApiError;
use expd_server::token::{derived_key, expired, fingerprint, hex, invalid};
use expd_server::token_life::{BootEnd, Clocks, TokenLife};

/// Lifetime of a token. The SDK refreshes half way.
pub(super) const LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// A restricted token is valid for 30 days or a little more, and is the same for all logins of an
/// app and origin on one day, so that the URLs of content stay the same and are cached.
const RESTRICTED_DAYS: i64 = 31;
const RESTRICTED_LIFETIME: Duration = Duration::from_secs(31 * 24 * 3600);

/// Claims of either kind of token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Claims {
    pub app: String,
    pub origin: String,
    /// The login, which stays the same over refreshes; empty in restricted tokens.
    #[serde(default)]
    pub login: String,
    /// Fingerprint of the app's credentials: the token ends when they change.
    fingerprint: u64,
    /// Milliseconds since the epoch.
    expiration: i64,
    #[serde(default)]
    boot: Option<BootEnd>,
    /// Makes each token unique; empty in restricted tokens.
    #[serde(default)]
    jti: String,
}

/// Signs and verifies tokens.
pub(super) struct Tokens {
    key: Secret,
    restricted_key: Secret,
}

impl Tokens {
    pub fn new(key: Secret) -> Self {
        Self {
            restricted_key: derived_key(&key, "restricted tokens of pages"),
            key,
        }
    }

    /// A token of a login, and its expiration.
    pub fn issue(&self, app: &WebApp, origin: &str, login: &str, now: Clocks) -> (Secret, i64) {
        let life = TokenLife::begin(LIFETIME, now);
        let jti = hex(&rand::random::<[u8; 16]>());
        let claims = self.claims(app, origin, life, (login, jti));
        (login::sign(&claims, &self.key), life.expiration)
    }

    /// A token that reads content and layouts.
    pub fn issue_restricted(&self, app: &WebApp, origin: &str, now: Clocks) -> Secret {
        let life = TokenLife::begin_with_the_day(RESTRICTED_DAYS, now);
        let claims = self.claims(app, origin, life, ("", String::new()));
        login::sign(&claims, &self.restricted_key)
    }

    fn claims(
        &self,
        app: &WebApp,
        origin: &str,
        life: TokenLife,
        (login, jti): (&str, String),
    ) -> Claims {
        Claims {
            app: app.name.clone(),
            origin: origin.to_owned(),
            login: login.to_owned(),
            fingerprint: self.fingerprint(app),
            expiration: life.expiration,
            boot: life.boot,
            jti,
        }
    }

    /// Claims of a token.
    ///
    /// # Errors
    /// It is not from this door, or has expired.
    pub fn verify(&self, token: &Secret, now: Clocks) -> Result<Claims, ApiError> {
        Self::verified(token, &self.key, LIFETIME, now)
    }

    /// Claims of a restricted token.
    ///
    /// # Errors
    /// It is not from this door, or has expired.
    pub fn verify_restricted(&self, token: &Secret, now: Clocks) -> Result<Claims, ApiError> {
        Self::verified(token, &self.restricted_key, RESTRICTED_LIFETIME, now)
    }

    /// True if the app's credentials are those for which the token was issued.
    pub fn is_of(&self, claims: &Claims, app: &WebApp) -> bool {
        claims.fingerprint == self.fingerprint(app)
    }

    fn verified(
        token: &Secret,
        key: &Secret,
        longest: Duration,
        now: Clocks,
    ) -> Result<Claims, ApiError> {
        let claims: Claims = login::verify(token, key).map_err(invalid)?;
        let life = TokenLife {
            expiration: claims.expiration,
            boot: claims.boot,
        };
        if life.left(longest, now).is_zero() {
            return Err(expired());
        }
        Ok(claims)
    }

    fn fingerprint(&self, app: &WebApp) -> u64 {
        fingerprint(&self.key, &app.uuid, &app.api_key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(key: &str) -> WebApp {
        WebApp {
            name: "menu".into(),
            origins: vec!["http://a.example".into()],
            uuid: "u".into(),
            api_key: Secret::new(key),
            instance: "default".into(),
        }
    }

    #[test]
    fn a_token_is_of_one_app_with_one_key_and_of_one_kind() {
        let tokens = Tokens::new(Secret::new("a key of the door"));
        let now = Clocks::now();
        let (token, _) = tokens.issue(&app("k"), "http://a.example", "login", now);
        let claims = tokens.verify(&token, now).unwrap();
        assert_eq!((&*claims.app, &*claims.login), ("menu", "login"));
        assert!(tokens.is_of(&claims, &app("k")) && !tokens.is_of(&claims, &app("l")));
        let restricted = tokens.issue_restricted(&app("k"), "http://a.example", now);
        assert!(tokens.verify(&restricted, now).is_err());
        assert!(tokens.verify_restricted(&token, now).is_err());
        assert!(tokens.verify_restricted(&restricted, now).is_ok());
        let other = Tokens::new(Secret::new("another key"));
        assert_eq!(
            other.verify(&token, now).unwrap_err().code,
            "authentication.token.invalid"
        );
    }
}
