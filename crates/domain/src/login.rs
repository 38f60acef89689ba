//! Login requests: the body of `POST /api/auth/login`, and the HS256 tokens that devices and
//! consumer apps sign with their secret.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::secret::Secret;

/// Placeholder that a device without a uuid or without a secret sends and signs with.
pub const NO_CREDENTIAL: &str = "_";

/// Body of a login request.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LoginRequest {
    /// Login of a device or a consumer app.
    Token {
        /// Signed [`Claims`].
        token: Secret,
    },
    /// Login of a user.
    User(UserLogin),
}

/// A user's login.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UserLogin {
    /// Always `user`.
    #[serde(rename = "type")]
    pub kind: UserTag,
    /// User name, often a mail address.
    pub username: String,
    /// Password.
    pub password: Secret,
    /// Organization to log in to.
    #[serde(default)]
    pub organization: String,
}

/// The only value of `type` in a user's login.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UserTag {
    /// `user`
    User,
}

/// Claims of a device or a consumer app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Claims {
    /// Claims of a device, signed with its secret.
    Device {
        /// UUID of the device, or [`NO_CREDENTIAL`].
        uuid: String,
        /// Requests pairing mode where the credentials are invalid.
        #[serde(default)]
        allow_pairing: bool,
        /// Time of issue, in seconds since the epoch.
        #[serde(default)]
        iat: i64,
        /// Time of expiry, in seconds since the epoch.
        #[serde(default)]
        exp: Option<i64>,
    },
    /// Claims of a consumer app, signed with its API key.
    ConsumerApp {
        /// UUID of the consumer app.
        uuid: String,
        /// Time of issue, as for a device.
        #[serde(default)]
        iat: i64,
        /// Time of expiry, as for a device.
        #[serde(default)]
        exp: Option<i64>,
    },
}

impl Claims {
    /// UUID of the claimant.
    #[must_use]
    pub fn uuid(&self) -> &str {
        match self {
            Self::Device { uuid, .. } | Self::ConsumerApp { uuid, .. } => uuid,
        }
    }
}

/// Signs `claims` with `secret` as a JSON Web Token (HS256).
#[must_use]
pub fn sign<C: Serialize>(claims: &C, secret: &Secret) -> Secret {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let body =
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims).unwrap_or_else(|_| b"{}".to_vec()));
    let signed = format!("{header}.{body}");
    let signature = URL_SAFE_NO_PAD.encode(mac(secret, &signed).finalize().into_bytes());
    Secret::new(format!("{signed}.{signature}"))
}

/// Reads the claims of a token without verification, to find the secret to [`verify`] it with.
///
/// # Errors
/// The text is not an HS256 token with claims of this form.
pub fn peek<C: DeserializeOwned>(token: &Secret) -> Result<C, TokenError> {
    #[derive(Deserialize)]
    struct Header {
        alg: String,
    }
    let (signed, _) = split(token)?;
    let (header, body) = signed.split_once('.').ok_or(TokenError::Malformed)?;
    let header: Header = decode(header)?;
    if header.alg != "HS256" {
        return Err(TokenError::Algorithm);
    }
    decode(body)
}

/// Verifies a token against `secret` and reads its claims. The caller checks their expiry.
///
/// # Errors
/// The text is not an HS256 token with claims of this form, or another secret signed it.
pub fn verify<C: DeserializeOwned>(token: &Secret, secret: &Secret) -> Result<C, TokenError> {
    let (signed, signature) = split(token)?;
    let signature = URL_SAFE_NO_PAD
        .decode(signature.trim_end_matches('='))
        .map_err(|_| TokenError::Malformed)?;
    // Compares in constant time.
    mac(secret, signed)
        .verify_slice(&signature)
        .map_err(|_| TokenError::Signature)?;
    peek(token)
}

fn split(token: &Secret) -> Result<(&str, &str), TokenError> {
    token.expose().rsplit_once('.').ok_or(TokenError::Malformed)
}

fn decode<T: DeserializeOwned>(part: &str) -> Result<T, TokenError> {
    let json = URL_SAFE_NO_PAD
        .decode(part.trim_end_matches('='))
        .map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(&json).map_err(|_| TokenError::Malformed)
}

fn mac(secret: &Secret, signed: &str) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
        .expect("a key of any length is taken");
    mac.update(signed.as_bytes());
    mac
}

/// Reason why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not three Base64 parts with the expected JSON in them.
    #[error("the token is malformed")]
    Malformed,
    /// Signed by something other than HS256.
    #[error("the token is not signed with HS256")]
    Algorithm,
    /// Signed with another secret.
    #[error("the token's signature does not match")]
    Signature,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_token_verifies_with_its_secret_alone() {
        let claims = Claims::Device {
            uuid: "u".into(),
            allow_pairing: true,
            iat: 1,
            exp: Some(2),
        };
        let token = sign(&claims, &Secret::new("s"));
        assert_eq!(verify::<Claims>(&token, &Secret::new("s")).unwrap(), claims);
        assert_eq!(
            verify::<Claims>(&token, &Secret::new("t")).unwrap_err(),
            TokenError::Signature
        );
    }

    #[test]
    fn the_signature_is_the_one_other_libraries_make() {
        // Made with PyJWT: jwt.encode({"type":"consumerApp","uuid":"u","iat":1,"exp":2}, "key",
        // "HS256")
        let token = Secret::new(concat!(
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.",
            "eyJ0eXBlIjoiY29uc3VtZXJBcHAiLCJ1dWlkIjoidSIsImlhdCI6MSwiZXhwIjoyfQ.",
            "KnzFDBajnRgCFrE1FHQMDgVnRmDbC7qvUCy-U9XKQCw"
        ));
        assert_eq!(peek::<Claims>(&token).unwrap().uuid(), "u");
        let claims = Claims::ConsumerApp {
            uuid: "u".into(),
            iat: 1,
            exp: Some(2),
        };
        assert_eq!(sign(&claims, &Secret::new("key")).expose(), token.expose());
    }

    #[test]
    fn another_algorithm_is_refused() {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
        let token = Secret::new(format!("{header}.e30."));
        assert_eq!(
            peek::<serde_json::Value>(&token).unwrap_err(),
            TokenError::Algorithm
        );
    }
}
