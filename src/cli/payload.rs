//! JSON arguments: JSON itself, `@FILE`, or `-` for standard input.

use std::fs::File;
use std::io::{self, Read};

use super::failure::Failure;
use expd_domain::Payload;
use expd_domain::payload::{MAX_BYTES, PayloadError};

/// Reads a JSON argument. No argument means `null`.
pub(super) fn read(argument: Option<&str>) -> Result<Payload, Failure> {
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
    Payload::parse(text).map_err(|error| {
        let hint = match (&error, argument) {
            (PayloadError::NotJson(_), Some("-")) => "",
            (PayloadError::NotJson(_), Some(text)) if !text.starts_with('@') => {
                "; a JSON string needs its own quotes inside the shell's: '\"hello\"'"
            }
            _ => "",
        };
        Failure::Usage(format!("{error}{hint}"))
    })
}

/// Reads to the end, or to a little more than the largest payload: enough to refuse it by its size.
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
