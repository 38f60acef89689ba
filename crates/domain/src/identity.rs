//! The identity that a session is logged in as, and the authentication payload that names it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::secret::Secret;

/// Kinds of EXP identities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum IdentityKind {
    /// A person.
    User,
    /// A screen or another device.
    Device,
    /// An app in a consumer's hands; limited to consumer channels.
    ConsumerApp,
}

impl IdentityKind {
    /// The kind named by EXP's word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::User, Self::Device, Self::ConsumerApp]
            .into_iter()
            .find(|kind| kind.as_word() == word)
    }

    /// EXP's word for the kind.
    #[must_use]
    pub fn as_word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Device => "device",
            Self::ConsumerApp => "consumerApp",
        }
    }
}

impl fmt::Display for IdentityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::Device => "device",
            Self::ConsumerApp => "consumer app",
        })
    }
}

/// The identity of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// UUID of the identity; empty while a device waits to be paired.
    #[serde(default)]
    pub uuid: String,
    /// Kind of the identity.
    #[serde(rename = "type")]
    pub kind: IdentityKind,
    /// Organization that all its channels belong to.
    #[serde(default)]
    pub organization: String,
    /// The code that an operator types to pair this device; set in pairing mode only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pairing_code: Option<String>,
}

/// Maximum length in bytes of an identity's text (uuid, organization, pairing code) that is
/// accepted from a network: these texts appear in every channel ID, status and log line.
pub const MAX_IDENTITY_BYTES: usize = 1024;

/// Response to a login and to a token refresh.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Authentication {
    /// Bearer token for the `Authorization` header.
    pub token: Secret,
    /// Expiry of the token, in milliseconds since the epoch.
    pub expiration: i64,
    /// The identity that logged in.
    pub identity: Identity,
    /// Address of the live socket.
    #[serde(default)]
    pub network: NetworkEndpoint,
    /// Token for content URLs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restricted_token: Option<Secret>,
}

/// The part of the authentication payload that describes the live socket.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkEndpoint {
    /// Host of the socket; the API's host when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Token for the socket in place of the session's token, in some generations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
}

/// Formats a pairing code for people: `abcdef` becomes `abc-def`.
#[must_use]
pub fn display_pairing_code(code: &str) -> String {
    match (code.get(..3), code.get(3..)) {
        (Some(head), Some(tail)) if code.len() == 6 => format!("{head}-{tail}"),
        _ => code.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authentication_payload_is_read_whatever_else_it_holds() {
        let text = r#"{"token":"t","expiration":1700000000000,"identity":{"uuid":"u","type":"consumerApp","organization":"o","new":1},"extra":{}}"#;
        let read: Authentication = serde_json::from_str(text).unwrap();
        assert_eq!(read.identity.kind, IdentityKind::ConsumerApp);
        assert!(read.network.host.is_none());
        assert!(!format!("{read:?}").contains("\"t\""));
    }

    #[test]
    fn a_pairing_code_is_shown_in_two_halves() {
        assert_eq!(display_pairing_code("abcdef"), "abc-def");
        assert_eq!(display_pairing_code("abcd"), "abcd");
        assert_eq!(display_pairing_code("ääääää"), "ääääää");
    }
}
