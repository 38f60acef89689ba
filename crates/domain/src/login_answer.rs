//! The response to a login or a token refresh, read as a client reads it.
//!
//! Networks differ in everything but the token. A member that is missing, null or of another shape
//! is absent here and named in [`KnownIdentity::unknown`]; additional members are kept.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::excerpt::sentence;
use super::identity::{IdentityKind, MAX_IDENTITY_BYTES};
use super::secret::Secret;

/// Maximum number of bytes of an identity's additional members that are kept.
pub const MAX_REST_BYTES: usize = 64 << 10;

/// Response to a login or a refresh.
#[derive(Clone, Debug)]
pub struct LoginAnswer {
    /// Bearer token for the `Authorization` header.
    pub token: Secret,
    /// Expiry of the token in milliseconds since the epoch, if it is a number.
    pub expiration: Option<i64>,
    /// The identity that logged in.
    pub identity: KnownIdentity,
    /// Host for API calls (`api.host`), as announced.
    pub api_host: Option<String>,
    /// Host of the live socket (`network.host`), as announced.
    pub network_host: Option<String>,
    /// Token of the live socket in place of the session's, in some generations.
    pub network_token: Option<Secret>,
    /// Token for content URLs.
    pub restricted_token: Option<Secret>,
}

/// The identity of a session, as far as the network reveals it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownIdentity {
    /// Kind of the identity; the credentials' kind if the network names none of the three.
    pub kind: IdentityKind,
    /// UUID of the identity; the credentials' UUID if the network omits it; empty while a device
    /// waits to be paired.
    pub uuid: String,
    /// Organization that its channels belong to; empty if the network omits it.
    pub organization: String,
    /// A user's name.
    pub username: Option<String>,
    /// A user's role.
    pub role: Option<String>,
    /// The code that an operator types to pair this device: set in pairing mode only, and empty if
    /// the network omits it.
    pub pairing_code: Option<String>,
    /// The identity's members without a field above, as the JSON text of an object; empty if there
    /// are none or they exceed [`MAX_REST_BYTES`].
    pub rest: String,
    /// Members of the response that are missing or unusable: `identity.uuid`, `api.host`, ….
    pub unknown: Vec<&'static str>,
}

/// The claimant of a login: fills in what the response omits.
#[derive(Clone, Copy, Debug)]
pub struct Claimant<'a> {
    /// Kind of the credentials.
    pub kind: IdentityKind,
    /// UUID of the credentials, if they have one.
    pub uuid: Option<&'a str>,
}

/// Reason why a login response is unusable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginAnswerError {
    /// Not the JSON text of an object.
    #[error("it is not a JSON object: {0}")]
    Malformed(String),
    /// Without a token.
    #[error("it has no token")]
    NoToken,
    /// With a token that no HTTP header can carry.
    #[error("its token cannot be sent in an HTTP header")]
    UnusableToken,
}

/// A JSON object with its members verbatim. The last of duplicate members counts.
type Members<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

impl LoginAnswer {
    /// Reads a response.
    ///
    /// # Errors
    /// It has no usable token. Nothing else is required.
    pub fn read(json: &[u8], claimant: Claimant<'_>) -> Result<Self, LoginAnswerError> {
        let members: Members<'_> = serde_json::from_slice(json)
            .map_err(|error| LoginAnswerError::Malformed(sentence(&error)))?;
        let token = secret(&members, "token").ok_or(LoginAnswerError::NoToken)?;
        if !is_header_text(token.expose()) {
            return Err(LoginAnswerError::UnusableToken);
        }
        let api = object(&members, "api").unwrap_or_default();
        let network = object(&members, "network").unwrap_or_default();
        let mut answer = Self {
            token,
            expiration: members.get("expiration").and_then(|raw| millis(raw)),
            identity: KnownIdentity::read(object(&members, "identity"), claimant),
            api_host: text(&api, "host"),
            network_host: text(&network, "host"),
            network_token: secret(&network, "token"),
            restricted_token: secret(&members, "restrictedToken"),
        };
        let absent = [
            ("expiration", answer.expiration.is_none()),
            ("api.host", answer.api_host.is_none()),
            ("network.host", answer.network_host.is_none()),
        ];
        let absent = absent.into_iter().filter(|(_, absent)| *absent);
        answer
            .identity
            .unknown
            .extend(absent.map(|(member, _)| member));
        Ok(answer)
    }
}

impl KnownIdentity {
    /// True while a device waits to be paired.
    #[must_use]
    pub fn is_pairing(&self) -> bool {
        self.pairing_code.is_some()
    }

    fn read(members: Option<Members<'_>>, claimant: Claimant<'_>) -> Self {
        let told = members.is_some();
        let mut members = members.unwrap_or_default();
        let mut unknown = Vec::new();
        if !told {
            unknown.push("identity");
        }
        let kind = text(&members, "type").and_then(|word| IdentityKind::from_word(&word));
        if kind.is_some() {
            members.remove("type");
        } else {
            unknown.push("identity.type");
        }
        let mut take = |member: &str| {
            let text = text(&members, member).filter(|text| text.len() <= MAX_IDENTITY_BYTES);
            if text.is_some() {
                members.remove(member);
            }
            text
        };
        let uuid = take("uuid");
        let organization = take("organization");
        let (username, role) = (take("username"), take("role"));
        let code = take("pairingCode");
        let is_pairing = flag(&members, "isPairing");
        if is_pairing.is_some() {
            members.remove("isPairing");
        }
        let pairing_code = match (is_pairing, code) {
            (Some(false), _) | (None, None) => None,
            (Some(true), code) => Some(code.unwrap_or_default()),
            (None, Some(code)) => Some(code),
        };
        if uuid.is_none() && pairing_code.is_none() {
            unknown.push("identity.uuid");
        }
        if organization.is_none() {
            unknown.push("identity.organization");
        }
        if pairing_code.as_deref() == Some("") {
            unknown.push("identity.pairingCode");
        }
        let credentials = claimant.uuid.filter(|_| pairing_code.is_none());
        let rest = rest(&members);
        if rest.is_none() {
            unknown.push("identity (too long)");
        }
        Self {
            kind: kind.unwrap_or(claimant.kind),
            uuid: uuid
                .or_else(|| credentials.map(str::to_owned))
                .unwrap_or_default(),
            organization: organization.unwrap_or_default(),
            username,
            role,
            pairing_code,
            rest: rest.unwrap_or_default(),
            unknown,
        }
    }
}

/// The members as one object, each value verbatim; `None` if they are too long.
fn rest(members: &Members<'_>) -> Option<String> {
    if members.is_empty() {
        return Some(String::new());
    }
    serde_json::to_string(members)
        .ok()
        .filter(|text| text.len() <= MAX_REST_BYTES)
}

fn object<'a>(members: &Members<'a>, name: &str) -> Option<Members<'a>> {
    serde_json::from_str(members.get(name)?.get()).ok()
}

fn text(members: &Members<'_>, name: &str) -> Option<String> {
    let text: String = serde_json::from_str(members.get(name)?.get()).ok()?;
    Some(text).filter(|text| !text.is_empty())
}

fn secret(members: &Members<'_>, name: &str) -> Option<Secret> {
    let secret: Secret = serde_json::from_str(members.get(name)?.get()).ok()?;
    Some(secret).filter(|secret| !secret.is_empty())
}

fn flag(members: &Members<'_>, name: &str) -> Option<bool> {
    serde_json::from_str(members.get(name)?.get()).ok()
}

/// A number of milliseconds, whole or fractional, or a text with such a number.
fn millis(raw: &RawValue) -> Option<i64> {
    let text: Option<String> = serde_json::from_str(raw.get()).ok();
    let number = text.as_deref().unwrap_or(raw.get()).trim();
    if let Ok(whole) = number.parse() {
        return Some(whole);
    }
    let fractional: f64 = number.parse().ok()?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "saturates, and fractions of a millisecond do not count"
    )]
    let whole = fractional as i64;
    fractional.is_finite().then_some(whole)
}

/// True for a text that a header value can hold.
fn is_header_text(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICE: Claimant<'_> = Claimant {
        kind: IdentityKind::Device,
        uuid: Some("d-1"),
    };

    fn read(json: &str) -> LoginAnswer {
        LoginAnswer::read(json.as_bytes(), DEVICE).unwrap_or_else(|error| panic!("{json}: {error}"))
    }

    #[test]
    fn a_whole_answer_is_read_whole() {
        let answer = read(
            r#"{"token":"t","expiration":1700000000000,"restrictedToken":"r","new":{},
                "api":{"host":"https://a"},"network":{"host":"https://n","token":"s"},
                "identity":{"uuid":"u","type":"user","organization":"o","username":"joe",
                "role":"admin","permissions":{"big":1e400},"connectionId":7.0}}"#,
        );
        let identity = answer.identity;
        assert_eq!(answer.expiration, Some(1_700_000_000_000));
        assert_eq!(answer.api_host.as_deref(), Some("https://a"));
        assert_eq!(answer.network_host.as_deref(), Some("https://n"));
        assert_eq!(answer.network_token.unwrap().expose(), "s");
        assert_eq!(answer.restricted_token.unwrap().expose(), "r");
        assert_eq!(
            (identity.kind, identity.uuid.as_str()),
            (IdentityKind::User, "u")
        );
        assert_eq!(identity.username.as_deref(), Some("joe"));
        assert_eq!(identity.role.as_deref(), Some("admin"));
        assert_eq!(
            identity.rest,
            r#"{"connectionId":7.0,"permissions":{"big":1e400}}"#
        );
        assert!(identity.unknown.is_empty(), "{:?}", identity.unknown);
        assert!(!identity_debug(&read(r#"{"token":"secret"}"#)).contains("secret"));
    }

    fn identity_debug(answer: &LoginAnswer) -> String {
        format!("{answer:?}")
    }

    #[test]
    fn a_token_alone_is_a_login() {
        let rubbish = ["null", "1", "true", "[]", "{}", "\"\"", "\"x\"", "[{}]"];
        let members = ["identity", "api", "network", "restrictedToken"];
        let mut answers = vec![r#"{"token":"t"}"#.to_owned()];
        for value in rubbish {
            answers.extend(members.map(|name| format!(r#"{{"token":"t","{name}":{value}}}"#)));
            let inner = [
                "uuid",
                "organization",
                "type",
                "pairingCode",
                "isPairing",
                "username",
                "role",
            ];
            answers.extend(inner.map(|name| {
                format!(r#"{{"token":"t","identity":{{"{name}":{value}}},"network":{{"host":{value},"token":{value}}},"api":{{"host":{value}}}}}"#)
            }));
        }
        for answer in answers {
            assert_eq!(read(&answer).token.expose(), "t", "{answer}");
        }
        let answer = read(r#"{"token":"t"}"#);
        assert_eq!(answer.identity.kind, IdentityKind::Device);
        assert_eq!(answer.identity.uuid, "d-1");
        assert_eq!(
            answer.identity.unknown,
            [
                "identity",
                "identity.type",
                "identity.uuid",
                "identity.organization",
                "expiration",
                "api.host",
                "network.host"
            ]
        );
    }

    #[test]
    fn an_unknown_word_is_kept_and_a_text_without_bound_is_not() {
        let long = "x".repeat(MAX_IDENTITY_BYTES + 1);
        let identity = read(&format!(
            r#"{{"token":"t","identity":{{"type":"robot","uuid":7,"organization":"{long}"}}}}"#
        ))
        .identity;
        assert_eq!(
            (identity.kind, identity.organization.as_str()),
            (IdentityKind::Device, "")
        );
        assert!(
            identity.rest.contains(r#""type":"robot""#) && identity.rest.contains(r#""uuid":7"#)
        );
        let huge = "x".repeat(MAX_REST_BYTES);
        let identity = read(&format!(r#"{{"token":"t","identity":{{"x":"{huge}"}}}}"#)).identity;
        assert_eq!(identity.rest, "");
        assert!(identity.unknown.contains(&"identity (too long)"));
    }

    #[test]
    fn an_expiration_is_a_number_however_it_is_written() {
        for (written, read_as) in [
            ("1700000000000.75", Some(1_700_000_000_000)),
            ("\"1700000000000\"", Some(1_700_000_000_000)),
            ("\" 1.7e12 \"", Some(1_700_000_000_000)),
            ("1.7e12", Some(1_700_000_000_000)),
            ("1e400", None),
            ("\"soon\"", None),
            ("null", None),
            ("-1", Some(-1)),
            ("1e300", Some(i64::MAX)),
        ] {
            let answer = read(&format!(r#"{{"token":"t","expiration":{written}}}"#));
            assert_eq!(answer.expiration, read_as, "{written}");
        }
    }

    #[test]
    fn pairing_is_told_by_its_flag_or_its_code() {
        for (identity, code) in [
            (r#"{"pairingCode":"abcdef"}"#, Some("abcdef")),
            (
                r#"{"isPairing":true,"pairingCode":"abcdef"}"#,
                Some("abcdef"),
            ),
            (r#"{"isPairing":true}"#, Some("")),
            (r#"{"isPairing":false,"pairingCode":"abcdef"}"#, None),
            (r#"{"pairingCode":null}"#, None),
            (r#"{"uuid":"u"}"#, None),
        ] {
            let answer = read(&format!(r#"{{"token":"t","identity":{identity}}}"#));
            assert_eq!(answer.identity.pairing_code.as_deref(), code, "{identity}");
            let uuid = if code.is_some() {
                ""
            } else {
                answer.identity.uuid.as_str()
            };
            assert_eq!(
                answer.identity.uuid, uuid,
                "the credentials' uuid is not a pairing one's"
            );
        }
    }

    #[test]
    fn a_token_is_any_text_that_a_header_can_carry() {
        assert_eq!(read(r#"{"token":"a token"}"#).token.expose(), "a token");
    }

    #[test]
    fn a_login_fails_for_lack_of_a_token() {
        for json in [
            "",
            "<html>",
            "null",
            "[]",
            "{}",
            r#"{"token":1}"#,
            r#"{"token":null}"#,
            r#"{"token":""}"#,
            r#"{"token":"a\r\nb"}"#,
            r#"{"token":"\u00e9"}"#,
        ] {
            LoginAnswer::read(json.as_bytes(), DEVICE).unwrap_err();
        }
    }
}
