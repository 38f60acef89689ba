//! What a proxy that answers 407 asks for, and what an operator can do about it.
//!
//! expd proves itself to proxies with a name and a password (`Basic`). A proxy that takes only `NTLM` or `Negotiate`, as many in
//! Windows domains do, needs somebody in between who speaks that.

use expd_domain::excerpt::excerpt;

/// The schemes of one answer that are looked at.
const MAX_SCHEMES: usize = 8;

/// What to do about a 407 that came with these `Proxy-Authenticate` fields; without any, what usually helps.
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
        return "wants a user name and password, or refuses those it got; write the credentials into its URL: proxy = \"http://USER:PASSWORD@HOST:PORT\"".to_owned();
    }
    let named = schemes.join(" and ");
    if takes("NTLM") || takes("Negotiate") {
        format!(
            "wants {named} authentication, which expd does not speak; run a local proxy that does (such as cntlm) and set proxy to that, or have this one accept Basic"
        )
    } else {
        format!(
            "wants {named} authentication, and expd speaks Basic alone; have it accept Basic, or set proxy to a local proxy that speaks {named}"
        )
    }
}

/// The schemes of one field: the first word of each challenge. Parameters, which hold a `=`, and NTLM's tokens are passed over.
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
                "wants Negotiate and NTLM authentication",
            ),
            (vec!["NTLM TlRMTVNTUAACAAAA"], "cntlm"),
            (vec!["negotiate"], "cntlm"),
            (
                vec!["Digest realm=\"r\", nonce=\"n\""],
                "wants Digest authentication",
            ),
        ] {
            let remedy = remedy(fields.iter().copied());
            assert!(remedy.contains(said), "{fields:?}: {remedy}");
        }
        let long = "x".repeat(100_000);
        assert!(remedy([long.as_str()]).len() < 300);
    }
}
