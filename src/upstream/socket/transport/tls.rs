//! What to do when a certificate is not accepted.

use std::error::Error;

/// Says what an error of TLS, TCP or HTTP means for an operator.
pub(in crate::upstream::socket) fn explain(error: &(dyn Error + 'static), host: &str) -> String {
    let chain = chain(error);
    let remedy = if chain.contains("certificate has expired") {
        format!(
            "the certificate of {host} has expired; have it renewed, or set this machine's clock"
        )
    } else if chain.contains("certificate is not yet valid") {
        format!("the certificate of {host} is not valid yet; set this machine's clock")
    } else if chain.to_ascii_lowercase().contains("hostname mismatch")
        || chain.to_ascii_lowercase().contains("ip address mismatch")
    {
        format!("the certificate belongs to another name than {host}; use the name it was made for")
    } else if ["issuer", "self-signed", "self signed", "first certificate"]
        .iter()
        .any(|word| chain.contains(word))
    {
        format!(
            "the certificate of {host} comes from an authority this machine does not know; set ca_file to that authority's certificate, if it is to be trusted"
        )
    } else if chain.contains("wrong version number") || chain.contains("record layer failure") {
        format!("{host} does not speak TLS on this port; use http:// or another port")
    } else {
        return chain;
    };
    format!("{remedy} ({chain})")
}

/// An error and its causes in one line, without saying the same twice.
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
