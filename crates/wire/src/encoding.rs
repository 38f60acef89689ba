//! Answers that come encoded although nobody asked for it.

use reqwest::header::{CONTENT_ENCODING, HeaderMap};

use expd_domain::excerpt::excerpt;

/// What expd asks for: no `Accept-Encoding` at all would leave the choice to the server (RFC 9110, 12.5.3).
pub const IDENTITY: &str = "identity";

/// The encoding of an answer that asks to be decoded first, in words that name it and what to do. Read as if it were plain it
/// would pass for other text than was sent.
pub fn unrequested(headers: &HeaderMap) -> Option<String> {
    let codings: Vec<&str> = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .flat_map(|value| value.to_str().unwrap_or("unreadable").split(','))
        .map(str::trim)
        .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(IDENTITY))
        .collect();
    if codings.is_empty() {
        return None;
    }
    Some(format!(
        "the answer comes encoded ({}), which was not asked for; have the server, or the proxy on the way, send it plain",
        excerpt(&codings.join(", "))
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_to_be_decoded_is_refused() {
        let said = |values: &[&str]| {
            let fields = values
                .iter()
                .map(|v| (CONTENT_ENCODING, v.parse().unwrap()));
            unrequested(&fields.collect())
        };
        assert_eq!(said(&[]), None);
        assert_eq!(said(&[""]), None);
        assert_eq!(said(&["Identity"]), None);
        for coding in [
            "gzip",
            "br",
            "deflate",
            "zstd",
            "identity, gzip",
            "compress",
        ] {
            assert!(said(&[coding]).unwrap().contains("encoded"), "{coding}");
        }
        assert!(said(&[&"x".repeat(9000)]).unwrap().len() < 250);
    }
}
