//! Proxies that respond with 407: the authentication schemes they want, and a remedy.
//!
//! expd authenticates to proxies with a user name and a password (`Basic`). A proxy that accepts
//! only `NTLM` or `Negotiate`, as many in Windows domains do, needs an intermediary that speaks it.

use expd_domain::excerpt::excerpt;

/// Maximum number of schemes that are read from one response.
const MAX_SCHEMES: usize = 8;

/// Remedy for a 407 with these `Proxy-Authenticate` fields; without any, the general one.
pub(super) fn remedy<'a>(fields: impl IntoIterator<Item = &'a str>) -> String {
    let schemes: Vec<String> = fields
        .into_iter()
        .flat_map(schemes)
        .take(MAX_SCHEMES)
        .collect();
    let takes = |name: &str| {
        schemes
            .iter()
            .any(|scheme| scheme.eq_ignore_ascii_case(name))
    };
    if schemes.is_empty() || takes("Basic") {
        return "requires a user name and password, or refuses the given ones; write the credentials into its URL: proxy = \"http://USER:PASSWORD@HOST:PORT\"".to_owned();
    }
    let named = schemes.join(" and ");
    if takes("NTLM") || takes("Negotiate") {
        format!(
            "requires {named} authentication, which expd does not support; run a local proxy that does (such as cntlm) and set proxy to that, or make this one accept Basic"
        )
    } else {
        format!(
            "requires {named} authentication, and expd supports only Basic; make it accept Basic, or set proxy to a local proxy that supports {named}"
        )
    }
}

/// The schemes of one field: the first word of each challenge. Parameters, which hold a `=`, and
/// NTLM's tokens are skipped.
fn schemes(field: &str) -> Vec<String> {
    field
        .split(',')
        .filter_map(|part| part.split_ascii_whitespace().next())
        .filter(|word| !word.contains('=') && word.len() <= 20)
        .filter(|word| {
            word.chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
        })
        .map(excerpt)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_proxy_takes_decides_what_helps() {
        for (fields, said) in [
            (vec![], "USER:PASSWORD"),
            (vec!["Basic realm=\"a, NTLM\""], "USER:PASSWORD"),
            (vec!["NTLM", "Basic realm=x"], "USER:PASSWORD"),
            (
                vec!["Negotiate, NTLM"],
                "requires Negotiate and NTLM authentication",
            ),
            (vec!["NTLM TlRMTVNTUAACAAAA"], "cntlm"),
            (vec!["negotiate"], "cntlm"),
            (
                vec!["Digest realm=\"r\", nonce=\"n\""],
                "requires Digest authentication",
            ),
        ] {
            let remedy = remedy(fields.iter().copied());
            assert!(remedy.contains(said), "{fields:?}: {remedy}");
        }
        let long = "x".repeat(100_000);
        assert!(remedy([long.as_str()]).len() < 300);
    }
}
