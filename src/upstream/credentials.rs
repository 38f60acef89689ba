//! Credentials of an instance: the configured ones, or the key that a device got by pairing and
//! keeps on disk.

mod store;

use serde::{Deserialize, Serialize};

use crate::config::Credentials;
use expd_domain::Secret;
use expd_domain::login::{self, Claims, LoginRequest, NO_CREDENTIAL, UserLogin, UserTag};

pub use store::{PairedStore, StoreError, StoredKey};

/// Life of a login token in seconds, as in the vendor's JS SDK.
const LOGIN_TOKEN_LIFE: i64 = 86_400;

/// A device's uuid and secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceKey {
    pub uuid: String,
    pub secret: Secret,
}

impl DeviceKey {
    /// True if neither part is empty.
    pub fn is_whole(&self) -> bool {
        !self.uuid.is_empty() && !self.secret.is_empty()
    }
}

/// The body of a login with these credentials at `now`, in seconds since the epoch by EXP's clock.
/// A paired device logs in with its stored key.
pub fn login_request(
    credentials: &Credentials,
    paired: Option<&DeviceKey>,
    now: i64,
) -> LoginRequest {
    let iat = now;
    let exp = Some(iat.saturating_add(LOGIN_TOKEN_LIFE));
    match credentials {
        Credentials::Device {
            uuid,
            secret,
            allow_pairing,
        } => {
            let none = || NO_CREDENTIAL.to_owned();
            let (uuid, secret) = match paired {
                Some(key) => (key.uuid.clone(), key.secret.clone()),
                None => (
                    uuid.clone().unwrap_or_else(none),
                    secret.clone().unwrap_or_else(|| Secret::new(none())),
                ),
            };
            let claims = Claims::Device {
                uuid,
                allow_pairing: *allow_pairing,
                iat,
                exp,
            };
            LoginRequest::Token {
                token: login::sign(&claims, &secret),
            }
        }
        Credentials::ConsumerApp { uuid, api_key } => {
            let claims = Claims::ConsumerApp {
                uuid: uuid.clone(),
                iat,
                exp,
            };
            LoginRequest::Token {
                token: login::sign(&claims, api_key),
            }
        }
        Credentials::User {
            username,
            password,
            organization,
        } => LoginRequest::User(UserLogin {
            kind: UserTag::User,
            username: username.clone(),
            password: password.clone(),
            organization: organization.clone(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn key() -> DeviceKey {
        DeviceKey {
            uuid: "u".to_owned(),
            secret: Secret::new("s"),
        }
    }

    #[test]
    fn a_device_without_credentials_signs_with_the_placeholder() {
        let credentials = Credentials::Device {
            uuid: None,
            secret: None,
            allow_pairing: true,
        };
        let LoginRequest::Token { token } = login_request(&credentials, None, NOW) else {
            panic!("a device logs in with a token");
        };
        let claims: Claims = login::verify(&token, &Secret::new("_")).unwrap();
        assert_eq!(
            claims,
            Claims::Device {
                uuid: "_".to_owned(),
                allow_pairing: true,
                iat: NOW,
                exp: Some(NOW + 86_400),
            }
        );
        let LoginRequest::Token { token } = login_request(&credentials, Some(&key()), NOW) else {
            panic!("a device logs in with a token");
        };
        let claims: Claims = login::verify(&token, &Secret::new("s")).unwrap();
        assert_eq!(claims.uuid(), "u");
    }
}
