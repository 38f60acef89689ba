//! Messages for connection errors, mainly those of certificates.

use std::error::Error;

use super::trust::{remedy, tls_error};
use expd_domain::excerpt::sentence;

/// Describes an error of TLS, TCP or HTTP, with a remedy for TLS errors.
pub(super) fn explain(error: &(dyn Error + 'static), host: &str) -> String {
    let chain = chain(error);
    match tls_error(error) {
        Some(tls) => format!(
            "TLS with {host:?} failed ({}): {}",
            sentence(&chain),
            remedy(Some(tls))
        ),
        None => sentence(&chain),
    }
}

/// An error and its causes in one line, without repetitions.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !said.contains(&words) {
            said.push_str(": ");
            said.push_str(&words);
        }
        cause = error.source();
    }
    said
}
