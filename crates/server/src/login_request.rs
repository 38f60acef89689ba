//! Login requests in every form that EXP's clients send: with and without a `type` beside the token
//! and in its claims, without a uuid, with `null` for unset fields.

use std::fmt;

use serde::Deserialize;

use expd_domain::Secret;
use expd_domain::login::NO_CREDENTIAL;

/// Threshold between the two units of `exp`: milliseconds above it (as the Python SDK sends),
/// seconds at or below it. In seconds it is the year 5138, in milliseconds the year 1973.
const LARGEST_SECONDS: f64 = 100_000_000_000.0;

/// Body of a login. Unknown fields are ignored: the Android and iOS SDKs send all their options.
#[derive(Deserialize)]
#[serde(try_from = "LoginBody")]
pub enum LoginRequest {
    User(UserLogin),
    /// A signed token, and the `type` beside it, if any.
    Token(Secret, Option<ClaimedKind>),
}

pub struct UserLogin {
    pub username: String,
    pub password: Secret,
    /// `None` selects the organization that the user used last.
    pub organization: Option<String>,
}

#[derive(Deserialize)]
struct LoginBody {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    token: Option<Secret>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<Secret>,
    #[serde(default)]
    organization: Option<String>,
}

impl TryFrom<LoginBody> for LoginRequest {
    type Error = UnknownLogin;

    fn try_from(body: LoginBody) -> Result<Self, UnknownLogin> {
        if let Some(token) = body.token {
            let kind = match body.kind.as_deref() {
                None => None,
                Some(kind) => Some(ClaimedKind::from_text(kind).ok_or(UnknownLogin)?),
            };
            return Ok(Self::Token(token, kind));
        }
        match (body.username, body.password, body.kind.as_deref()) {
            (Some(username), Some(password), None | Some("user")) => Ok(Self::User(UserLogin {
                username,
                password,
                organization: body.organization.filter(|name| !name.is_empty()),
            })),
            _ => Err(UnknownLogin),
        }
    }
}

/// The body names no kind of login.
pub struct UnknownLogin;

impl fmt::Display for UnknownLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a login has a username, a password and an organization, or the token of a device or a consumer app")
    }
}

/// Kind of identity that signs its login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ClaimedKind {
    Device,
    ConsumerApp,
}

impl ClaimedKind {
    fn from_text(text: &str) -> Option<Self> {
        match text {
            "device" => Some(Self::Device),
            "consumerApp" => Some(Self::ConsumerApp),
            _ => None,
        }
    }
}

/// Claims of a login token.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoginClaims {
    #[serde(default, rename = "type")]
    pub kind: Option<ClaimedKind>,
    #[serde(default)]
    uuid: Option<String>,
    #[serde(default)]
    allow_pairing: Option<bool>,
    #[serde(default)]
    exp: Option<f64>,
}

impl LoginClaims {
    pub fn uuid(&self) -> &str {
        self.uuid.as_deref().unwrap_or(NO_CREDENTIAL)
    }

    pub fn allow_pairing(&self) -> bool {
        self.allow_pairing.unwrap_or(false)
    }

    /// True if the claims have expired at `now` (milliseconds since the epoch), in either unit of
    /// `exp`.
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds since the epoch fit into 53 bits for 285,000 years"
    )]
    pub fn expired(&self, now: i64) -> bool {
        self.exp.is_some_and(|exp| {
            let millis = if exp > LARGEST_SECONDS {
                exp
            } else {
                exp * 1000.0
            };
            millis <= now as f64
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(body: Value) -> Option<LoginRequest> {
        serde_json::from_value(body).ok()
    }

    #[test]
    fn a_user_needs_no_type_and_no_organization() {
        for body in [
            json!({"type": "user", "username": "u", "password": "p", "organization": "o"}),
            json!({"username": "u", "password": "p", "organization": "o", "host": "h", "enableEvents": true}),
            json!({"username": "u", "password": "p", "organization": "o", "type": null, "token": null}),
        ] {
            let Some(LoginRequest::User(user)) = read(body) else {
                panic!("no user");
            };
            assert_eq!(user.organization.as_deref(), Some("o"));
        }
        for body in [
            json!({"username": "u", "password": "p"}),
            json!({"username": "u", "password": "p", "organization": null}),
            json!({"username": "u", "password": "p", "organization": ""}),
        ] {
            assert!(
                matches!(read(body), Some(LoginRequest::User(user)) if user.organization.is_none())
            );
        }
        for body in [
            json!({}),
            json!({"type": "robot", "username": "u", "password": "p"}),
            json!({"type": "robot", "token": "t"}),
            json!({"username": "u"}),
        ] {
            assert!(read(body).is_none());
        }
    }

    #[test]
    fn a_token_may_stand_beside_its_type() {
        for (body, expected) in [
            (json!({"token": "t"}), None),
            (
                json!({"token": "t", "type": "device"}),
                Some(ClaimedKind::Device),
            ),
            (
                json!({"token": "t", "type": "consumerApp", "host": "h"}),
                Some(ClaimedKind::ConsumerApp),
            ),
        ] {
            assert!(matches!(read(body), Some(LoginRequest::Token(_, kind)) if kind == expected));
        }
    }

    #[test]
    fn claims_may_leave_out_everything() {
        let claims = |value: Value| serde_json::from_value::<LoginClaims>(value).unwrap();
        let none = claims(json!({}));
        assert_eq!((none.uuid(), none.allow_pairing()), (NO_CREDENTIAL, false));
        assert!(none.kind.is_none() && !none.expired(i64::MAX));
        let null = claims(json!({"type": null, "uuid": null, "allowPairing": null, "exp": null}));
        assert_eq!(null.uuid(), NO_CREDENTIAL);
        let now = 1_700_000_000_000;
        for (exp, expired) in [
            (json!(1_700_000_030), false),
            (json!(1_700_000_030_000_i64), false),
            (json!(1_700_000_030.5), false),
            (json!(1_699_999_999), true),
            (json!(1_699_999_999_000_i64), true),
        ] {
            assert_eq!(claims(json!({"exp": exp})).expired(now), expired, "{exp}");
        }
    }
}
