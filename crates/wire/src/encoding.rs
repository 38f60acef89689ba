//! Responses with a content encoding that was not requested.

use reqwest::header::{CONTENT_ENCODING, HeaderMap};

use expd_domain::excerpt::excerpt;

/// The requested encoding: without `Accept-Encoding` the choice would be the server's (RFC 9110,
/// 12.5.3).
pub const IDENTITY: &str = "identity";

/// Error message for a response with a content encoding; `None` if it is plain. An encoded body
/// that is read as plain text would be garbage.
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
        "the response has the content encoding {}, which was not requested; configure the server or the proxy to send it unencoded",
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
