//! Tokens in requests, and the functions on tokens that all servers share.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::{HeaderMap, header};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::error::ApiError;
use expd_domain::Secret;
use expd_domain::login::TokenError;

pub fn expired() -> ApiError {
    ApiError::unauthorized(
        "authentication.token.expired",
        "the token has expired; log in again",
    )
}

pub fn invalid(error: TokenError) -> ApiError {
    let message = match error {
        TokenError::Signature => {
            "the token is not signed with this network's key; log in again".to_owned()
        }
        other => format!("{other}; log in again"),
    };
    ApiError::unauthorized("authentication.token.invalid", message)
}

pub fn derived_key(key: &Secret, purpose: &str) -> Secret {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()) else {
        // HMAC accepts keys of any length.
        return key.clone();
    };
    // Neither tokens nor fingerprints begin with a zero byte and text.
    mac.update(&[0]);
    mac.update(purpose.as_bytes());
    Secret::new(hex(&mac.finalize().into_bytes()))
}

/// Token in the header `Authorization: Bearer`.
pub fn bearer(headers: &HeaderMap) -> Option<Secret> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| Secret::new(token.trim()))
}

/// Fingerprint of credentials under a key, which reveals nothing about them to readers of tokens.
#[must_use]
pub fn fingerprint(key: &Secret, uuid: &str, secret: &Secret) -> u64 {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()) else {
        // HMAC accepts keys of any length.
        return 0;
    };
    // Tokens contain no zero byte, and these lengths do, so no fingerprint can be mistaken for a
    // signature.
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

pub fn now_millis() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        })
}

pub fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}
