//! Paths of EXP's API as apps give them, and what each reaches.
//!
//! A path goes to the server as it is written, and between here and there stand proxies and frameworks that read it each in
//! its own way: they decode escapes once or until none is left, cut `;` parameters, merge slashes, take backslashes for
//! slashes, resolve dot segments, pass over case and over dots and spaces at an end. So a path is classified as it is written
//! and as the strictest of them reads it, and is refused where the two are not the same: what a rule allows is then what is
//! reached, whoever reads it.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::quoted::Quoted;

/// The longest path that is taken, its query included, in bytes.
pub const MAX_PATH_BYTES: usize = 8 * 1024;

/// How often a path may be encoded, one upon the other. A key that holds an escape by itself is encoded twice.
const MOST_ENCODINGS: usize = 4;

/// What a request line cannot hold.
const UNSENDABLE: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// A path below `/api/` that every server reads alike, with the query that was given with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiPath {
    path: String,
    query: Option<String>,
    class: PathClass,
}

/// What a path of the API reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathClass {
    /// Logins and tokens: `/api/auth`.
    Logins,
    /// Broadcasts and responses: `/api/networks`.
    Network,
    /// Everything else.
    Resources,
}

impl ApiPath {
    /// Reads a path, and the query after a `?`.
    ///
    /// # Errors
    /// It is too long, no path below `/api/`, or one that servers may read in different ways.
    pub fn parse(text: &str) -> Result<Self, ApiPathError> {
        let refused = |why| ApiPathError {
            path: Quoted(text).to_string(),
            why,
        };
        if text.len() > MAX_PATH_BYTES {
            return Err(refused(Why::TooLong(text.len())));
        }
        if text.chars().any(char::is_control) {
            return Err(refused(Why::Control));
        }
        if text.contains('#') {
            // It would never leave this host, and what stands after it would be lost in silence.
            return Err(refused(Why::Fragment));
        }
        let (path, query) = match text.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (text, None),
        };
        let class = classify(path).map_err(refused)?;
        Ok(Self {
            path: utf8_percent_encode(path, UNSENDABLE).to_string(),
            query: query.map(ToOwned::to_owned),
            class,
        })
    }

    /// What it reaches, whoever reads it.
    pub fn class(&self) -> PathClass {
        self.class
    }

    /// The path as it is sent: as it was written, with what no request line can hold (spaces, other letters than ASCII) encoded.
    pub fn as_str(&self) -> &str {
        &self.path
    }

    /// What was given after the `?`.
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }
}

impl fmt::Display for ApiPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

/// A path that is not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the path {path} {why}")]
pub struct ApiPathError {
    /// Its beginning, quoted.
    path: String,
    why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Why {
    #[error("has {0} bytes; at most {MAX_PATH_BYTES} are allowed")]
    TooLong(usize),
    #[error("holds a control character, also where it is encoded; leave it out")]
    Control,
    #[error("holds a #; write %23 where it is meant")]
    Fragment,
    #[error("does not start with /api/")]
    Elsewhere,
    #[error("holds a backslash, which many servers take for a slash; write %5C where it is meant")]
    Backslash,
    #[error("holds a % that begins no escape; write %25 where it is meant")]
    Percent,
    #[error("escapes what is no UTF-8")]
    NotUtf8,
    #[error("is encoded more than {MOST_ENCODINGS} times, one upon the other")]
    Encodings,
    #[error("leads elsewhere: a segment of it is . or .., also where it is encoded")]
    DotSegment,
    #[error(
        "may be read in different ways: as written it reaches {written}, and to a server that reads it otherwise {read}; write its first two segments plainly, in small letters"
    )]
    Ambiguous {
        written: &'static str,
        read: &'static str,
    },
}

impl PathClass {
    fn name(self) -> &'static str {
        match self {
            Self::Logins => "logins",
            Self::Network => "broadcasts and responses",
            Self::Resources => "resources",
        }
    }

    /// What a path reaches whose segment below `/api/` is this one.
    fn of(segment: &str) -> Self {
        match segment {
            "auth" => Self::Logins,
            "networks" => Self::Network,
            _ => Self::Resources,
        }
    }
}

/// What a path reaches, where that is the same in every reading.
fn classify(path: &str) -> Result<PathClass, Why> {
    let below = path.strip_prefix("/api/").ok_or(Why::Elsewhere)?;
    if path.contains('\\') {
        return Err(Why::Backslash);
    }
    if !escapes_are_whole(path) {
        return Err(Why::Percent);
    }
    let written = PathClass::of(below.split('/').next().unwrap_or_default());
    let mut text = Cow::Borrowed(path);
    for _ in 0..=MOST_ENCODINGS {
        if text.chars().any(char::is_control) {
            return Err(Why::Control);
        }
        let read = strictly(&text)?;
        if read != Some(written) {
            return Err(Why::Ambiguous {
                written: written.name(),
                read: read.map_or("something outside of the API", PathClass::name),
            });
        }
        let decoded = percent_decode_str(&text)
            .decode_utf8()
            .map_err(|_| Why::NotUtf8)?;
        if decoded == text {
            return Ok(written);
        }
        text = Cow::Owned(decoded.into_owned());
    }
    Err(Why::Encodings)
}

/// What a path of so many decodings reaches to the strictest reader; `None` for what may be outside of the API.
fn strictly(path: &str) -> Result<Option<PathClass>, Why> {
    let mut first_two = [None, None];
    for segment in path.split(['/', '\\']) {
        let plain = segment.split(';').next().unwrap_or_default();
        if matches!(plain.trim(), "." | "..") {
            return Err(Why::DotSegment);
        }
        // Some pass over dots and spaces at the end, as their file systems do.
        let plain = plain.trim_end_matches(['.', ' ']).trim();
        if !plain.is_empty()
            && let Some(free) = first_two.iter_mut().find(|place| place.is_none())
        {
            *free = Some(plain.to_ascii_lowercase());
        }
    }
    let [api, below] = first_two;
    let below = below.unwrap_or_default();
    // Other letters may be folded into these in ways that nobody can foresee; no part of the API has any.
    let known = api.as_deref() == Some("api") && below.is_ascii();
    Ok(known.then(|| PathClass::of(&below)))
}

/// Whether each `%` is followed by two hexadecimal digits.
fn escapes_are_whole(path: &str) -> bool {
    let mut pieces = path.split('%');
    pieces.next();
    pieces.all(|piece| {
        let digits = piece.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

#[cfg(test)]
mod tests {
    use rand::seq::IndexedRandom as _;
    use rand::{Rng as _, SeedableRng as _};

    use super::*;

    fn class(path: &str) -> Result<PathClass, String> {
        ApiPath::parse(path)
            .map(|path| path.class())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_path_reaches_what_its_first_segment_below_api_says() {
        for (path, reached) in [
            ("/api/devices", PathClass::Resources),
            ("/api/", PathClass::Resources),
            ("/api/authors", PathClass::Resources),
            ("/api/data/auth/networks", PathClass::Resources),
            ("/api/devices?x=/api/auth/../..", PathClass::Resources),
            ("/api/%64evices", PathClass::Resources),
            ("/api//devices", PathClass::Resources),
            (
                "/api/networks/current/broadcasts?timeout=1",
                PathClass::Network,
            ),
            ("/api/networks//current", PathClass::Network),
            ("/api/auth/token", PathClass::Logins),
            ("/api/auth", PathClass::Logins),
        ] {
            assert_eq!(class(path), Ok(reached), "{path}");
        }
    }

    #[test]
    fn what_is_encoded_within_a_segment_stays_as_it_is() {
        for path in [
            "/api/data/group/key%2Fwith%2Fslashes",
            "/api/data/group/a%3Bb;c",
            "/api/data/group/100%25",
            "/api/data/group/%252F",
            "/api/data/group/k..ey",
            "/api/data/group/...",
            "/api/data/gr%C3%BC%C3%9Fe/a+b:c@d!$&'()*,=~",
        ] {
            let parsed = ApiPath::parse(path).unwrap();
            assert_eq!((parsed.as_str(), parsed.query()), (path, None));
        }
        let parsed = ApiPath::parse("/api/data/grüße/a b?q=a b").unwrap();
        assert_eq!(parsed.as_str(), "/api/data/gr%C3%BC%C3%9Fe/a%20b");
        assert_eq!(parsed.query(), Some("q=a b"));
    }

    #[test]
    fn what_servers_may_read_in_different_ways_is_refused_with_a_reason() {
        for (path, reason) in [
            ("", "does not start"),
            ("/api", "does not start"),
            ("/API/devices", "does not start"),
            ("//api/devices", "does not start"),
            ("/api;x/auth/token", "does not start"),
            ("/%61pi/auth/token", "does not start"),
            ("/api/../auth", "leads elsewhere"),
            ("/api/%2e%2fauth/token", "leads elsewhere"),
            ("/api/./auth/token", "leads elsewhere"),
            ("/api/x/%2e%2e/auth/token", "leads elsewhere"),
            ("/api/x/.%2E;y/auth/token", "leads elsewhere"),
            ("/api/x%2f%252e%252e%2fauth", "leads elsewhere"),
            ("/api/x/..%20/auth", "leads elsewhere"),
            ("/api/AUTH/token", "different ways"),
            ("/api/Networks/current", "different ways"),
            ("/api//auth/token", "different ways"),
            ("/api/;/auth/token", "different ways"),
            ("/api/%20/auth/token", "different ways"),
            ("/api/auth;x/token", "different ways"),
            ("/api/auth%3bx/token", "different ways"),
            ("/api/auth%253bx/token", "different ways"),
            ("/api/auth./token", "different ways"),
            ("/api/auth%2ftoken", "different ways"),
            ("/api/%61uth/token", "different ways"),
            ("/api/%2561uth/token", "different ways"),
            ("/api/net%77orks/current", "different ways"),
            ("/api/networks%2fcurrent", "different ways"),
            ("/api/au\u{17f}th", "different ways"),
            ("/api/%5cauth", "different ways"),
            ("/api/\\auth", "backslash"),
            ("/api/x\t/y", "control"),
            ("/api/x%00", "control"),
            ("/api/x%2500", "control"),
            ("/api/x%C2%85", "control"),
            ("/api/devices#1", "%23"),
            ("/api/100%", "%25"),
            ("/api/%u0061uth", "%25"),
            ("/api/%c0%ae%c0%ae/auth", "UTF-8"),
            ("/api/x/%2525252525", "more than"),
        ] {
            let refused = class(path).unwrap_err();
            assert!(refused.contains(reason), "{path}: {refused}");
        }
        let long = format!("/api/{}", "x".repeat(MAX_PATH_BYTES));
        let refused = class(&long).unwrap_err();
        assert!(
            refused.contains("8197 bytes") && refused.len() < 256,
            "{refused}"
        );
    }

    /// The class that one server reads: by itself, apart from the code above.
    fn read_by_a_server(
        path: &str,
        decodings: usize,
        cut: bool,
        merge: bool,
        fold: bool,
    ) -> PathClass {
        let mut bytes = path.as_bytes().to_vec();
        for _ in 0..decodings {
            bytes = percent_encoding::percent_decode(&bytes).collect();
        }
        let text = String::from_utf8_lossy(&bytes).replace('\\', "/");
        let mut segments: Vec<String> = Vec::new();
        for segment in text.split('/').skip(1) {
            let segment = if cut {
                segment.split(';').next().unwrap()
            } else {
                segment
            };
            match segment {
                ".." => drop(segments.pop()),
                "." => {}
                "" if merge => {}
                _ if fold => segments.push(segment.to_lowercase()),
                _ => segments.push(segment.to_owned()),
            }
        }
        let words: Vec<&str> = segments.iter().map(String::as_str).collect();
        match words[..] {
            ["api", "auth", ..] => PathClass::Logins,
            ["api", "networks", ..] => PathClass::Network,
            _ => PathClass::Resources,
        }
    }

    #[test]
    fn every_server_reads_an_accepted_path_alike() {
        let pieces = [
            "auth", "networks", "AUTH", "a", "u", "th", "x", "api", "/", "//", ".", "..", "%2e",
            "%2E%2e", "%252e", "%2f", "%5c", "\\", ";", "%3b", "%253b", "%61", "%2561", "%25",
            "%00", "%20", " ", "ſ", "?", "token", "current", "é", "%C3%A9",
        ];
        let mut random = rand::rngs::StdRng::seed_from_u64(6);
        let mut accepted = [0; 3];
        for _ in 0..20_000 {
            let mut path = "/api/".to_owned();
            for _ in 0..random.random_range(0..7) {
                path.push_str(pieces.choose(&mut random).unwrap());
            }
            let Ok(parsed) = ApiPath::parse(&path) else {
                continue;
            };
            accepted[parsed.class() as usize] += 1;
            for decodings in 0..5 {
                for way in 0..8 {
                    let (cut, merge, fold) = (way & 1 != 0, way & 2 != 0, way & 4 != 0);
                    let read = read_by_a_server(parsed.as_str(), decodings, cut, merge, fold);
                    assert_eq!(read, parsed.class(), "{path} {decodings} {way}");
                }
            }
        }
        assert!(accepted.iter().all(|count| *count > 100), "{accepted:?}");
    }
}
