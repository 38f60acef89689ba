//! Patterns of API paths, as access rules write them.
//!
//! A pattern matches a path only where it does so in every reading: as written, and as each server
//! in between may decode, cut and merge it. The server then reaches exactly what the rule named.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{percent_decode_str, utf8_percent_encode};

use super::{ApiPath, ApiPathError, MAX_ENCODINGS, PathClass, Reader, UNSENDABLE};
use crate::pattern;

/// A pattern of paths, without query: `*` stands for any text, slashes included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    /// The pattern as written.
    text: String,
    /// The pattern encoded as paths are before they are sent.
    sent: String,
}

/// Reason for which a pattern matches no path that any application may request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NeverMatches {
    /// It reaches logins and tokens alone.
    #[error("the paths of logins are the daemon's own; no rule can allow them")]
    Logins,
    /// It names a query.
    #[error("a rule matches the path only, which never contains a ?")]
    Query,
    /// No path that can be sent matches.
    #[error(transparent)]
    Path(#[from] ApiPathError),
}

impl PathPattern {
    /// The pattern of this text.
    pub fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            sent: utf8_percent_encode(text, UNSENDABLE).to_string(),
        }
    }

    /// True where the pattern matches the path in every reading.
    pub fn matches(&self, path: &ApiPath) -> bool {
        let (mut pattern, mut path) = (Cow::from(&*self.sent), Cow::from(path.as_str()));
        if !pattern::matches(&pattern, &path) {
            return false;
        }
        for _ in 0..=MAX_ENCODINGS {
            let alike = |reader: Reader| {
                let (pattern, path) = (reader.read(&pattern), reader.read(&path));
                pattern::matches(&pattern, &path)
            };
            if !Reader::all().all(alike) {
                return false;
            }
            let decoded = decoded(&path);
            if decoded == path {
                return true;
            }
            pattern = Cow::from(self::decoded(&pattern));
            path = Cow::from(decoded);
        }
        // No accepted path is encoded more often.
        false
    }

    /// Finds out whether an application may request any path that the pattern matches.
    ///
    /// # Errors
    /// There is none.
    pub fn check(&self) -> Result<(), NeverMatches> {
        if self.text.contains('?') {
            return Err(NeverMatches::Query);
        }
        let begins = self.text.split('*').next().unwrap_or_default();
        if self.text.contains('*') && "/api/".starts_with(begins) {
            return Ok(());
        }
        let mut fault = None;
        for inserted in ["x", ""] {
            match ApiPath::parse(&self.text.replace('*', inserted)) {
                Ok(path) if path.class() != PathClass::Logins => return Ok(()),
                Ok(_) => fault = Some(NeverMatches::Logins),
                Err(error) => fault = fault.or(Some(error.into())),
            }
        }
        fault.map_or(Ok(()), Err)
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        PathPattern::new(pattern).matches(&ApiPath::parse(path).unwrap())
    }

    #[test]
    fn a_pattern_matches_the_paths_that_it_names() {
        for (pattern, path) in [
            ("/api/devices", "/api/devices"),
            ("/api/devices", "/api/devices?limit=1"),
            ("/api/devices/*", "/api/devices/1/2"),
            ("/api/*", "/api/devices"),
            ("*", "/api/devices"),
            ("/api/data/*/keys", "/api/data/a/keys"),
            ("/api/delivery/a b.png", "/api/delivery/a b.png"),
            ("/api/delivery/a b.png", "/api/delivery/a%20b.png"),
            ("/api/delivery/ä", "/api/delivery/%C3%A4"),
            ("/api/data/g/a%2Fb", "/api/data/g/a%2Fb"),
            ("/api/data/g/%2525", "/api/data/g/%2525"),
            ("/api/data/g/k.;v", "/api/data/g/k.;v"),
            ("/api/delivery/*", "/api/delivery/a;b//c"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("/api/devices", "/api/devices/1"),
            ("/api/devices", "/api/Devices"),
            ("/api/devices/*", "/api/devices"),
            ("/api/devices/1", "/api/devices/12"),
        ] {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn a_path_that_some_server_reads_as_another_is_not_matched() {
        for (pattern, path) in [
            // The collection, not one of its items.
            ("/api/devices/*", "/api/devices/"),
            ("/api/devices/*", "/api/devices//"),
            ("/api/devices/*", "/api/devices/;x"),
            ("/api/devices/*", "/api/devices/%3Bx"),
            ("/api/devices/*", "/api/devices/%20"),
            ("/api/delivery/*.png", "/api/delivery/a.exe;b.png"),
            ("/api/delivery/*.png", "/api/delivery/a.exe%3Bb.png"),
            ("/api/delivery/*.png", "/api/delivery/a.exe%253Bb.png"),
            ("/api/data/g/*%2F", "/api/data/g/x%252F"),
        ] {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn a_pattern_that_can_match_nothing_is_found() {
        for pattern in [
            "/api/devices",
            "/api/*",
            "/ap*",
            "*",
            "*/devices",
            "/api/auth*",
        ] {
            assert_eq!(PathPattern::new(pattern).check(), Ok(()), "{pattern}");
        }
        for (pattern, reason) in [
            ("/api/auth/*", "logins"),
            ("/api/auth/token", "logins"),
            ("/api/devices?limit=*", "never contains a ?"),
            ("/devices/*", "does not start with /api/"),
            ("devices", "does not start with /api/"),
            ("/api/devices/../users", ".. segment"),
            ("/api/a\\b*", "backslash"),
        ] {
            let fault = PathPattern::new(pattern).check().unwrap_err().to_string();
            assert!(fault.contains(reason), "{pattern}: {fault}");
        }
    }
}
