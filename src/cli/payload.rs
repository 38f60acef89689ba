//! Payloads from arguments (JSON, `@FILE`, or `-` for standard input) and from lines.

use std::fs::File;
use std::io::{self, Read};

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};

use super::failure::Failure;
use expd_domain::Payload;
use expd_domain::payload::{MAX_BYTES, PayloadError};

/// Format of an argument or a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// JSON.
    Json,
    /// Text, which becomes a JSON string.
    Text,
}

/// Reads a JSON argument. No argument means `null`.
pub(super) fn read(argument: Option<&str>) -> Result<Payload, Failure> {
    read_as(argument, Meaning::Json)
}

/// Reads an argument. No argument means `null`.
pub(super) fn read_as(argument: Option<&str>, meaning: Meaning) -> Result<Payload, Failure> {
    let text = match argument {
        None => return Ok(Payload::null()),
        Some("-") => read_all(io::stdin().lock(), "standard input")?,
        Some(argument) => match argument.strip_prefix('@') {
            None => argument.to_owned(),
            Some(path) => {
                let file = File::open(path).map_err(|source| Failure::Input {
                    what: format!("the file {path:?}"),
                    source,
                })?;
                read_all(file, &format!("the file {path:?}"))?
            }
        },
    };
    payload(text, meaning).map_err(|error| {
        let hint = match (&error, argument) {
            (PayloadError::NotJson(_), Some("-")) => "; to send one broadcast per line, use --lines",
            (PayloadError::NotJson(_), Some(text)) if !text.starts_with('@') => {
                "; a JSON string needs its own quotes inside the shell's: '\"hello\"'; for a text, use --text"
            }
            _ => "",
        };
        Failure::Usage(format!("{error}{hint}"))
    })
}

fn payload(text: String, meaning: Meaning) -> Result<Payload, PayloadError> {
    match meaning {
        Meaning::Json => Payload::parse(text),
        Meaning::Text => Payload::parse(serde_json::Value::String(text).to_string()),
    }
}

/// Payloads of a stream, one per line. Empty lines are skipped, except in text.
pub(super) struct Lines<R> {
    source: R,
    meaning: Meaning,
    number: u64,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    pub(super) fn new(source: R, meaning: Meaning) -> Self {
        Self {
            source,
            meaning,
            number: 0,
        }
    }

    /// The next payload and its line number; none at the end.
    ///
    /// # Errors
    /// The stream cannot be read. An invalid line is returned with its number.
    pub(super) async fn next(
        &mut self,
    ) -> Result<Option<(u64, Result<Payload, Failure>)>, Failure> {
        let unreadable = |source| Failure::Input {
            what: "standard input".to_owned(),
            source,
        };
        loop {
            let mut bytes = Vec::new();
            let mut bounded = (&mut self.source).take(MAX_BYTES as u64 + 2);
            let read = bounded.read_until(b'\n', &mut bytes).await;
            if read.map_err(unreadable)? == 0 {
                return Ok(None);
            }
            self.number += 1;
            if bytes.last() == Some(&b'\n') {
                bytes.pop();
            }
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
            if bytes.iter().all(u8::is_ascii_whitespace) && self.meaning == Meaning::Json {
                continue;
            }
            return Ok(Some((self.number, self.payload(bytes))));
        }
    }

    fn payload(&self, bytes: Vec<u8>) -> Result<Payload, Failure> {
        if bytes.len() > MAX_BYTES {
            let error = PayloadError::TooLarge(bytes.len());
            return Err(Failure::Usage(error.to_string()));
        }
        let text = String::from_utf8(bytes)
            .map_err(|_| Failure::Usage("not UTF-8, as JSON must be".to_owned()))?;
        payload(text, self.meaning).map_err(|error| Failure::Usage(error.to_string()))
    }
}

/// Reads to the end, but at most a little more than the largest payload: enough to report its size.
fn read_all(source: impl Read, what: &str) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_BYTES).map_or(u64::MAX, |most| most.saturating_add(64 * 1024));
    source
        .take(most)
        .read_to_end(&mut bytes)
        .map_err(|source| Failure::Input {
            what: what.to_owned(),
            source,
        })?;
    // Before the check for UTF-8: the text may be cut within a character.
    if bytes.len() > MAX_BYTES {
        return Err(Failure::Usage(
            PayloadError::TooLarge(bytes.len()).to_string(),
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::Usage(format!(
            "{what} is not UTF-8 (at byte {at}), as JSON must be; convert it \
             (iconv --from-code=latin1 --to-code=utf-8)"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_json_or_names_where_it_is() {
        assert_eq!(read(None).unwrap().as_str(), "null");
        assert_eq!(
            read(Some(r#"{"b":1.0,"a":2}"#)).unwrap().as_str(),
            r#"{"b":1.0,"a":2}"#
        );
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("payload.json");
        std::fs::write(&file, "[1,\n2]\n").unwrap();
        let named = read(Some(&format!("@{}", file.display()))).unwrap();
        assert_eq!(named.as_str(), "[1,\n2]");
    }

    #[test]
    fn what_is_no_json_is_wrong_usage_with_a_hint() {
        let error = read(Some("hello")).unwrap_err();
        assert!(matches!(error, Failure::Usage(_)));
        assert!(
            error.to_string().contains("needs its own quotes"),
            "{error}"
        );
        let error = read(Some("@/nowhere/at/all")).unwrap_err();
        assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
    }
}
