//! Formatting of JSON text: on one line, escaped for a terminal, or indented. The document itself
//! stays the same, to the digit.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

use expd_domain::quoted::is_hidden;

/// Deepest level that is indented. Deeper ones stay there, so that no text grows with the square of
/// its nesting.
const MAX_INDENT: usize = 40;

/// Replaces line breaks by spaces. They occur only between tokens: strings escape them.
pub(super) fn one_line(json: &str) -> Cow<'_, str> {
    if json.contains(['\n', '\r']) {
        Cow::Owned(json.replace(['\n', '\r'], " "))
    } else {
        Cow::Borrowed(json)
    }
}

/// Escapes characters that control a terminal or hide text. JSON has them only in strings, so the
/// document stays the same.
pub(super) fn escaped(json: &str) -> Cow<'_, str> {
    let is_hidden = |character| !matches!(character, '\t' | '\n' | '\r') && is_hidden(character);
    if !json.contains(is_hidden) {
        return Cow::Borrowed(json);
    }
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if is_hidden(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a String does not fail.
                write!(text, "\\u{unit:04x}").ok();
            }
        } else {
            text.push(character);
        }
    }
    Cow::Owned(text)
}

/// Puts each member on its own line, indented by two spaces. Tokens stay unchanged.
pub(super) fn pretty(json: &str) -> String {
    let mut text = String::with_capacity(json.len() * 2);
    let mut depth: usize = 0;
    let mut rest = json.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            ' ' | '\t' | '\n' | '\r' => {}
            '"' => string(&mut text, &mut rest),
            '{' | '[' => {
                text.push(character);
                while rest.next_if(char::is_ascii_whitespace).is_some() {}
                if let Some(end) = rest.next_if(|next| matches!(next, '}' | ']')) {
                    text.push(end);
                } else {
                    depth += 1;
                    new_line(&mut text, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut text, depth);
                text.push(character);
            }
            ',' => {
                text.push(character);
                new_line(&mut text, depth);
            }
            ':' => text.push_str(": "),
            other => text.push(other),
        }
    }
    text
}

fn new_line(text: &mut String, depth: usize) {
    text.push('\n');
    text.extend(std::iter::repeat_n("  ", depth.min(MAX_INDENT)));
}

/// Copies the rest of a string token.
fn string(text: &mut String, rest: &mut Peekable<Chars<'_>>) {
    text.push('"');
    let mut escaped = false;
    for character in rest {
        text.push(character);
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_one_line_and_stays_the_same_json() {
        let text = "{\r\n  \"a\": [1.10,\n 2]\n}";
        assert_eq!(one_line(text), "{    \"a\": [1.10,  2] }");
        assert!(matches!(one_line("[1]"), Cow::Borrowed("[1]")));
    }

    #[test]
    fn a_document_is_laid_out_and_keeps_every_token() {
        let laid_out = pretty(r#"{"a":[1e400, 0.10 ,{ }],"b" : "x,\"{[:","a":[]}"#);
        let expected = "{\n  \"a\": [\n    1e400,\n    0.10,\n    {}\n  ],\n  \
                        \"b\": \"x,\\\"{[:\",\n  \"a\": []\n}";
        assert_eq!(laid_out, expected);
        assert_eq!(pretty("\"on it\""), "\"on it\"");
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        assert!(pretty(&deep).len() < 1 << 20);
    }

    #[test]
    fn text_of_others_cannot_command_the_terminal() {
        assert_eq!(escaped("\"a\u{9b}31m\u{7f}é\""), r#""a\u009b31m\u007fé""#);
        let hidden = "{\t\"\u{202e}\u{2066}\u{200b}\u{e0041}\": \"نعم 🙂\"}";
        let shown = escaped(hidden);
        assert_eq!(
            shown,
            "{\t\"\\u202e\\u2066\\u200b\\udb40\\udc41\": \"نعم 🙂\"}"
        );
        let read = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
        assert_eq!(read(&shown), read(hidden));
    }
}
