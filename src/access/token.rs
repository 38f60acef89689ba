//! Bearer tokens, by which callers over TCP are known.
//!
//! The policy keeps only digests; the secrets are dropped with the settings. Every token is
//! compared, and each in full, so that the response time reveals nothing about any of them.

use std::fmt;
use std::sync::Arc;

use expd_domain::Secret;
use sha2::{Digest as _, Sha256};

/// `[[daemon.tcp.tokens]]`: a token of the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BearerToken {
    /// Its name in rules, status and log.
    pub name: String,
    pub token: Secret,
}

/// A verified token. It identifies a caller in place of a user.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct KnownToken {
    pub name: Arc<str>,
    digest: [u8; 32],
}

impl fmt::Debug for KnownToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KnownToken").field(&self.name).finish()
    }
}

/// The accepted tokens.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownTokens(Vec<KnownToken>);

impl KnownTokens {
    pub fn new(tokens: &[BearerToken]) -> Self {
        let known = tokens.iter().map(|token| KnownToken {
            name: token.name.as_str().into(),
            digest: digest(&token.token),
        });
        Self(known.collect())
    }

    pub fn iter(&self) -> impl Iterator<Item = &KnownToken> {
        self.0.iter()
    }

    /// True if a token is still accepted.
    pub fn has(&self, token: &KnownToken) -> bool {
        self.0.contains(token)
    }

    /// The accepted token that a caller presents, if there is one.
    pub fn find(&self, presented: &Secret) -> Option<&KnownToken> {
        let presented = digest(presented);
        let mut found = None;
        for known in &self.0 {
            let pairs = known.digest.iter().zip(&presented);
            let differs = pairs.fold(0, |differs, (a, b)| differs | (a ^ b));
            if differs == 0 {
                found = Some(known);
            }
        }
        found
    }
}

fn digest(token: &Secret) -> [u8; 32] {
    Sha256::digest(token.expose()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(name: &str, token: &str) -> BearerToken {
        BearerToken {
            name: name.to_owned(),
            token: Secret::new(token),
        }
    }

    #[test]
    fn a_token_is_known_as_a_whole_and_by_no_name() {
        let known = KnownTokens::new(&[token("a", "first secret"), token("b", "second secret")]);
        let name = |presented: &str| {
            let found = known.find(&Secret::new(presented));
            found.map(|token| token.name.to_string())
        };
        assert_eq!(name("second secret").as_deref(), Some("b"));
        for wrong in ["", "a", "first", "first secret ", "First secret"] {
            assert_eq!(name(wrong), None, "{wrong}");
        }
        // The same name with another secret is another token.
        let changed = KnownTokens::new(&[token("b", "third secret")]);
        let before = known.find(&Secret::new("second secret")).unwrap();
        assert!(known.has(before) && !changed.has(before));
        assert!(!format!("{known:?}").contains("secret"));
    }
}
