//! Paths of EXP's API as apps write them, and the part of the API that each reaches.
//!
//! A path reaches the server as written. The proxies and frameworks in between read it in different
//! ways: they decode escapes once or repeatedly, cut `;` parameters, merge slashes, treat
//! backslashes as slashes, resolve dot segments, ignore case, and ignore dots and spaces at the
//! end. So a path is classified in every such reading, and is refused where two readings disagree:
//! the server then reaches exactly what an access rule allowed.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::quoted::Quoted;

mod pattern;

pub use pattern::{NeverMatches, PathPattern};

/// The longest path that is accepted, including its query, in bytes.
pub const MAX_PATH_BYTES: usize = 8 * 1024;

/// Maximum number of times that a path may be percent-encoded. A key that itself contains an escape
/// is encoded twice.
const MAX_ENCODINGS: usize = 4;

/// Characters that a request line cannot hold.
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

/// Characters that belong to a content path itself and are not URL syntax.
const NOT_IN_CONTENT: &AsciiSet = &UNSENDABLE
    .add(b'%')
    .add(b'?')
    .add(b'#')
    .add(b'\\')
    .add(b';')
    .add(b'[')
    .add(b']');

/// Prefix of content delivery.
const DELIVERY: &str = "/api/delivery";

/// A path below `/api/` that every server reads alike, with its query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiPath {
    path: String,
    query: Option<String>,
    class: PathClass,
}

/// The part of the API that a path reaches.
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
    /// The path is too long, is not below `/api/`, or may be read in different ways.
    pub fn parse(text: &str) -> Result<Self, ApiPathError> {
        let refused = |reason| ApiPathError {
            path: Quoted(text).to_string(),
            reason,
        };
        if text.len() > MAX_PATH_BYTES {
            return Err(refused(Reason::TooLong(text.len())));
        }
        if text.chars().any(char::is_control) {
            return Err(refused(Reason::Control));
        }
        if text.contains('#') {
            // A fragment never leaves this host: the rest of the path would be lost in silence.
            return Err(refused(Reason::Fragment));
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

    /// Reads the path of content as its document has it (`/menus/lunch.png`, not encoded), or the
    /// path of a request, which begins with `/api/`.
    ///
    /// # Errors
    /// As for [`Self::parse`].
    pub fn of_content(text: &str) -> Result<Self, ApiPathError> {
        if text.starts_with("/api/") {
            return Self::parse(text);
        }
        if !text.starts_with('/') {
            return Err(ApiPathError {
                path: Quoted(text).to_string(),
                reason: Reason::NotContent,
            });
        }
        let path = utf8_percent_encode(text, NOT_IN_CONTENT);
        Self::parse(&format!("{DELIVERY}{path}"))
    }

    /// The part of the API that it reaches.
    pub fn class(&self) -> PathClass {
        self.class
    }

    /// Refuses a path that no application may request, whatever its rights.
    ///
    /// # Errors
    /// It reaches logins and tokens, which the daemon keeps to itself.
    pub fn check_for_apps(&self) -> Result<(), ReservedPath> {
        match self.class {
            PathClass::Logins => Err(ReservedPath(Quoted(&self.path).to_string())),
            PathClass::Network | PathClass::Resources => Ok(()),
        }
    }

    /// The path as it is sent: as written, with characters that a request line cannot hold (spaces,
    /// non-ASCII letters) percent-encoded.
    pub fn as_str(&self) -> &str {
        &self.path
    }

    /// The text after the `?`.
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }
}

impl fmt::Display for ApiPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

/// A path that belongs to the daemon's own session: the answers to it are tokens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the path {0} is the daemon's own: it logs in by itself and never reveals the token; any other path under /api/ is sent with it"
)]
pub struct ReservedPath(
    /// Start of the path, quoted.
    String,
);

/// Error of a path that is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the path {path} {reason}")]
pub struct ApiPathError {
    /// Start of the path, quoted.
    path: String,
    reason: Reason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Reason {
    #[error("has {0} bytes; at most {MAX_PATH_BYTES} are allowed")]
    TooLong(usize),
    #[error("contains a control character, plain or encoded; remove it")]
    Control,
    #[error("contains a #; write %23 for a literal one")]
    Fragment,
    #[error("does not start with /api/")]
    Elsewhere,
    #[error("does not start with a /; give the `path` of the content's document")]
    NotContent,
    #[error(
        "contains a backslash, which many servers treat as a slash; write %5C for a literal one"
    )]
    Backslash,
    #[error("contains a % that starts no escape; write %25 for a literal one")]
    Percent,
    #[error("contains escapes that are not UTF-8")]
    NotUtf8,
    #[error("is percent-encoded more than {MAX_ENCODINGS} times")]
    Encodings,
    #[error("contains a . or .. segment, plain or encoded; remove it")]
    DotSegment,
    #[error(
        "is ambiguous: as written it reaches {written}, but some servers read it as {read}; write its first two segments plainly, in lower case"
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

    /// The class of a path whose segment below `/api/` is this one.
    fn of(segment: &str) -> Self {
        match segment {
            "auth" => Self::Logins,
            "networks" => Self::Network,
            _ => Self::Resources,
        }
    }
}

/// The class of a path, provided that it is the same in every reading.
fn classify(path: &str) -> Result<PathClass, Reason> {
    let below = path.strip_prefix("/api/").ok_or(Reason::Elsewhere)?;
    if path.contains('\\') {
        return Err(Reason::Backslash);
    }
    if !escapes_are_whole(path) {
        return Err(Reason::Percent);
    }
    let written = PathClass::of(below.split('/').next().unwrap_or_default());
    let mut text = Cow::Borrowed(path);
    for _ in 0..=MAX_ENCODINGS {
        if text.chars().any(char::is_control) {
            return Err(Reason::Control);
        }
        if has_dot_segment(&text) {
            return Err(Reason::DotSegment);
        }
        for reader in Reader::all() {
            let read = reader.class(&text);
            if read != Some(written) {
                return Err(Reason::Ambiguous {
                    written: written.name(),
                    read: read.map_or("something outside the API", PathClass::name),
                });
            }
        }
        let decoded = percent_decode_str(&text)
            .decode_utf8()
            .map_err(|_| Reason::NotUtf8)?;
        if decoded == text {
            return Ok(written);
        }
        text = Cow::Owned(decoded.into_owned());
    }
    Err(Reason::Encodings)
}

/// True where a segment is `.` or `..` in any reading.
fn has_dot_segment(path: &str) -> bool {
    let mut segments = path.split(['/', '\\']);
    segments.any(|segment| {
        let plain = segment.split(';').next().unwrap_or_default();
        matches!(plain.trim(), "." | "..")
    })
}

/// One way in which a server may read a path. No reading is the strictest: a server that treats a
/// backslash as a slash sees two segments where another cuts both as one parameter. So all
/// combinations are tried.
#[derive(Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a habit of its own, and any of them go together"
)]
struct Reader {
    /// Treats backslashes as slashes.
    backslashes: bool,
    /// Cuts a segment at a `;`.
    cuts: bool,
    /// Ignores empty segments.
    merges: bool,
    /// Ignores dots and spaces at the end of a segment, as some file systems do, and spaces at its
    /// start.
    trims: bool,
}

impl Reader {
    fn all() -> impl Iterator<Item = Self> {
        (0..16_u8).map(|way| Self {
            backslashes: way & 1 != 0,
            cuts: way & 2 != 0,
            merges: way & 4 != 0,
            trims: way & 8 != 0,
        })
    }

    /// The text as this server reads it.
    fn read(self, text: &str) -> String {
        let mut segments = text
            .split(self.slashes())
            .map(|segment| self.plain(segment));
        let mut read = segments.next().unwrap_or_default().to_owned();
        for segment in segments.filter(|segment| !self.merges || !segment.is_empty()) {
            read.push('/');
            read.push_str(segment);
        }
        read
    }

    fn slashes(self) -> &'static [char] {
        if self.backslashes {
            &['/', '\\']
        } else {
            &['/']
        }
    }

    /// The class of a path; `None` for a path that may be outside the API.
    fn class(self, path: &str) -> Option<PathClass> {
        let mut segments = path
            .split(self.slashes())
            .skip(1)
            .map(|segment| self.plain(segment))
            .filter(|segment| !self.merges || !segment.is_empty());
        let api = segments.next().unwrap_or_default();
        let below = segments.next().unwrap_or_default();
        // Servers may fold non-ASCII letters into ASCII ones in unforeseeable ways; no part of the
        // API has any.
        let known = api.eq_ignore_ascii_case("api") && below.is_ascii();
        known.then(|| PathClass::of(&below.to_ascii_lowercase()))
    }

    fn plain(self, segment: &str) -> &str {
        let mut plain = segment;
        if self.cuts {
            plain = plain.split(';').next().unwrap_or_default();
        }
        if self.trims {
            plain = plain.trim_end_matches(['.', ' ']).trim();
        }
        plain
    }
}

/// True where each `%` is followed by two hexadecimal digits.
fn escapes_are_whole(path: &str) -> bool {
    let mut pieces = path.split('%');
    pieces.next();
    pieces.all(|piece| {
        let digits = piece.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

#[cfg(test)]
mod tests;
