//! What went wrong on the way to EXP, in words that a person can act on.

use std::error::Error as StdError;

use reqwest::Url;

/// Whether the request certainly never left this host: no connection came about, so it may be sent again without harm.
pub fn never_left(error: &reqwest::Error) -> bool {
    error.is_connect() || error.is_builder()
}

/// Says what happened, to which host, and what to look at. Carries neither tokens nor queries.
pub fn describe(error: &reqwest::Error, host: &str) -> String {
    let causes = causes(error);
    let has = |needles: &[&str]| needles.iter().any(|needle| causes.contains(needle));
    let place = Url::parse(host).ok();
    let name = place
        .as_ref()
        .and_then(Url::host_str)
        .unwrap_or(host)
        .to_owned();
    if has(&["dns error", "failed to lookup address"]) {
        format!(
            "the name {name:?} cannot be looked up ({}); check the host setting and this machine's DNS",
            last_cause(error)
        )
    } else if has(&["certificate", "ssl", "tls", "unable to get local issuer"]) {
        format!(
            "TLS with {name:?} failed: {}; {}",
            last_cause(error),
            tls_remedy(&causes)
        )
    } else if has(&["connection refused"]) {
        format!("{host} refuses connections; check the host setting, or whether the server runs")
    } else if has(&["proxy", "tunnel"]) {
        format!(
            "the proxy on the way to {host} failed: {}; check the proxy setting",
            last_cause(error)
        )
    } else if error.is_timeout() {
        format!("{host} did not answer in time")
    } else {
        format!("{host}: {}", last_cause(error))
    }
}

fn tls_remedy(causes: &str) -> &'static str {
    if causes.contains("expired") || causes.contains("not yet valid") {
        "renew the server's certificate, or set this machine's clock right"
    } else if causes.contains("hostname") || causes.contains("host name") {
        "the certificate is for another name; check the host setting"
    } else if causes.contains("issuer")
        || causes.contains("self-signed")
        || causes.contains("self signed")
    {
        "its issuer is not trusted here; name the authority's certificate in ca_file"
    } else {
        "check that the host speaks TLS on that port"
    }
}

/// All causes in one lowercase text, to look for words in.
fn causes(error: &dyn StdError) -> String {
    let mut text = String::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&error.to_string().to_lowercase());
        text.push('\n');
        cause = error.source();
    }
    text
}

/// The innermost cause, which is the one that says most.
fn last_cause(error: &dyn StdError) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}
