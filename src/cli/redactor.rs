//! Removes secrets from a text that leaves this host: known ones wherever they occur, and
//! everything that has the form or the name of one.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Replacement of a secret.
const REMOVED: &str = "[removed]";

/// Shortest secret that is searched for by its value: shorter ones would match inside words. They
/// are still removed where a name precedes them.
const SHORTEST: usize = 4;

/// Suffixes of names whose values are secrets.
const NAMES: [&str; 11] = [
    "secret",
    "password",
    "password_hash",
    "api_key",
    "apikey",
    "token",
    "operator_key",
    "token_key",
    "pairing_code",
    "pairingcode",
    "authorization",
];

/// Removes secrets from texts.
#[derive(Default)]
pub(super) struct Redactor {
    known: Vec<String>,
}

impl Redactor {
    /// Adds a known secret, in each encoding that a text may contain.
    pub(super) fn add(&mut self, secret: &str) {
        if secret.len() < SHORTEST {
            return;
        }
        let json = serde_json::Value::String(secret.to_owned()).to_string();
        let encoded = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
        // Only the quotes of the JSON string, not one that the secret ends with.
        let json = json
            .strip_prefix('"')
            .and_then(|json| json.strip_suffix('"'));
        let json = json.unwrap_or(secret).to_owned();
        for spelling in [secret.to_owned(), encoded, json] {
            if !self.known.contains(&spelling) {
                self.known.push(spelling);
            }
        }
        // The longest first: one secret may contain another.
        self.known
            .sort_by_key(|known| std::cmp::Reverse(known.len()));
    }

    /// Adds the values of a TOML document that have the name of a secret, and the passwords of its
    /// URLs.
    pub(super) fn add_all(&mut self, table: &toml::Table) {
        for (name, value) in table {
            self.add_value(name, value);
        }
    }

    fn add_value(&mut self, name: &str, value: &toml::Value) {
        match value {
            toml::Value::String(text) if is_secret(name) => self.add(text),
            toml::Value::String(text) => {
                if let Some(password) = password_of(text) {
                    self.add(password);
                }
            }
            toml::Value::Table(table) => self.add_all(table),
            toml::Value::Array(items) => {
                for item in items {
                    self.add_value(name, item);
                }
            }
            _ => {}
        }
    }

    /// Removes secrets from a text.
    pub(super) fn clean(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        for known in &self.known {
            clean = clean.replace(known.as_str(), REMOVED);
        }
        let lines: Vec<String> = clean.lines().map(clean_line).collect();
        lines.join("\n") + "\n"
    }
}

/// Removes the values of secrets from a document.
pub(super) fn without_secrets(table: &mut toml::Table) {
    for (name, value) in table.iter_mut() {
        match value {
            toml::Value::Table(table) => without_secrets(table),
            toml::Value::Array(items) => {
                for item in items {
                    if let toml::Value::Table(table) = item {
                        without_secrets(table);
                    }
                }
            }
            value if is_secret(name) => *value = toml::Value::String(REMOVED.to_owned()),
            _ => {}
        }
    }
}

/// True for the name of a setting, a variable or a field whose value is a secret.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    NAMES.iter().any(|secret| name.ends_with(secret))
}

/// The password of a URL, if it has one.
fn password_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (user, _) = authority.rsplit_once('@')?;
    Some(user.split_once(':')?.1)
}

/// Removes from a line what has the form of a secret: values after a secret's name, tokens, and the
/// credentials of URLs.
fn clean_line(line: &str) -> String {
    let mut clean = String::with_capacity(line.len());
    let mut rest = line;
    // Characters of a name; everything else separates.
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    while let Some(start) = rest.find(is_part) {
        let (before, word_on) = rest.split_at(start);
        clean.push_str(before);
        let end = word_on.find(|c| !is_part(c)).unwrap_or(word_on.len());
        let (word, after) = word_on.split_at(end);
        rest = after;
        if is_token(word) {
            clean.push_str(REMOVED);
            continue;
        }
        clean.push_str(word);
        if word.eq_ignore_ascii_case("bearer") || word.eq_ignore_ascii_case("basic") {
            if let Some(value) = after.strip_prefix(' ') {
                clean.push(' ');
                rest = removed(&mut clean, value, |c| !c.is_whitespace());
            }
        } else if is_secret(word) {
            let is_header = word.to_ascii_lowercase().ends_with("authorization");
            let value = after.trim_start_matches(['"', '\'', ' ']);
            if let Some(value) = value.strip_prefix(['=', ':']) {
                let opened = value.trim_start_matches(' ');
                let quote = opened.chars().next().filter(|c| matches!(c, '"' | '\''));
                let value = opened.strip_prefix(['"', '\'']).unwrap_or(opened);
                let skipped = after.len() - value.len();
                clean.push_str(after.get(..skipped).unwrap_or_default());
                rest = removed(&mut clean, value, |c| match quote {
                    Some(quote) => c != quote,
                    // A scheme precedes the credentials.
                    None if is_header => true,
                    None => !c.is_whitespace() && !matches!(c, ',' | ';' | '}'),
                });
            }
        } else if let Some(authority) = after.strip_prefix("://") {
            let end = authority.find(['/', ' ', '"']).unwrap_or(authority.len());
            if let Some((_, host)) = authority.get(..end).and_then(|it| it.rsplit_once('@')) {
                clean.push_str("://");
                clean.push_str(REMOVED);
                clean.push('@');
                rest = authority.get(end - host.len()..).unwrap_or_default();
            }
        }
    }
    clean.push_str(rest);
    clean
}

/// Replaces the value at the start of `text`, and returns what follows it.
fn removed<'t>(clean: &mut String, text: &'t str, is_value: impl Fn(char) -> bool) -> &'t str {
    let end = text.find(|c| !is_value(c)).unwrap_or(text.len());
    if end > 0 {
        clean.push_str(REMOVED);
    }
    text.get(end..).unwrap_or_default()
}

/// True for a word with the form of a signed token (JWT): parts with dots between them, the first
/// one JSON.
fn is_token(word: &str) -> bool {
    word.len() > 20 && word.starts_with("eyJ") && word.matches('.').count() >= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_goes_in_every_spelling() {
        let mut redactor = Redactor::default();
        redactor.add("p@ss \"w\"");
        let text = "a p@ss \"w\" b p%40ss%20%22w%22 c \"p@ss \\\"w\\\"\"";
        assert_eq!(
            redactor.clean(text),
            "a [removed] b [removed] c \"[removed]\"\n"
        );
    }

    #[test]
    fn what_has_the_form_of_a_secret_goes() {
        let clean = |line: &str| Redactor::default().clean(line).trim_end().to_owned();
        for (line, cleaned) in [
            ("secret = \"abc\"", "secret = \"[removed]\""),
            ("secret_file = \"/etc/x\"", "secret_file = \"/etc/x\""),
            (
                "EXPD__INSTANCES__DEFAULT__CREDENTIALS__SECRET=abc def",
                "EXPD__INSTANCES__DEFAULT__CREDENTIALS__SECRET=[removed] def",
            ),
            (
                "{\"apiKey\":\"a,b\",\"n\":1}",
                "{\"apiKey\":\"[removed]\",\"n\":1}",
            ),
            (
                "Authorization: \"Bearer abc.def\"",
                "Authorization: \"[removed]\"",
            ),
            ("Authorization: Bearer abc.def", "Authorization: [removed]"),
            ("sent Bearer abc.def now", "sent Bearer [removed] now"),
            (
                "token eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ.x-_y now",
                "token [removed] now",
            ),
            (
                "via http://joe:pw@proxy:3128/x",
                "via http://[removed]@proxy:3128/x",
            ),
            ("tokens: 3 of them", "tokens: 3 of them"),
        ] {
            assert_eq!(clean(line), cleaned);
        }
    }

    #[test]
    fn settings_keep_their_keys_and_lose_their_secrets() {
        let text = "a = 1\n[instances.default]\nproxy = \"http://u:hidden@p\"\n\
                    [[hub.devices]]\nuuid = \"u\"\nsecret = \"very\"\n";
        let mut table: toml::Table = text.parse().unwrap();
        let mut redactor = Redactor::default();
        redactor.add_all(&table);
        without_secrets(&mut table);
        let clean = redactor.clean(&toml::to_string(&table).unwrap());
        assert!(
            !clean.contains("very") && !clean.contains("hidden"),
            "{clean}"
        );
        assert!(
            clean.contains("uuid = \"u\"") && clean.contains("a = 1"),
            "{clean}"
        );
    }
}
