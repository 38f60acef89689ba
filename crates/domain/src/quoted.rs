//! External texts, made safe to quote in messages: shortened, and without characters that mislead a
//! terminal or a reader.
//!
//! A text from an app or a server may have any length and content. A message quotes at most
//! [`QUOTED_CHARS`] characters of it ([`Quoted`]). The message itself is bounded while it is
//! written ([`bounded`]), so it never costs more than the part that is kept.

use std::borrow::Cow;
use std::fmt::{self, Display, Write as _};

/// Maximum number of characters of a text that a message quotes.
pub const QUOTED_CHARS: usize = 64;

/// Marks the end of a shortened text.
const MARK: char = '…';

/// A text as a message quotes it: in quotation marks, with hidden characters escaped, and shortened
/// to [`QUOTED_CHARS`] characters, with a `…` after the closing quotation mark.
#[derive(Clone, Copy, Debug)]
pub struct Quoted<'a>(pub &'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        let mut characters = self.0.chars();
        for character in characters.by_ref().take(QUOTED_CHARS) {
            if matches!(character, '"' | '\\') || is_hidden(character) {
                write!(f, "{}", escaped(character))?;
            } else {
                f.write_char(character)?;
            }
        }
        f.write_char('"')?;
        if characters.next().is_some() {
            f.write_char(MARK)?;
        }
        Ok(())
    }
}

/// Replaces each hidden character of a text by its escape (`\n`, `\u{202e}`).
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_hidden(character) {
            plain.push_str(&escaped(character));
        } else {
            plain.push(character);
        }
    }
    Cow::Owned(plain)
}

/// Shortens a text to `most` bytes; a longer one ends in `…`.
pub fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    let kept = head(text, most.saturating_sub(MARK.len_utf8()));
    Cow::Owned(format!("{kept}{MARK}"))
}

/// Formats `message` up to `most` bytes; a longer one ends in `…`. Formatting stops at that point.
pub fn bounded(message: impl Display, most: usize) -> String {
    let mut bounded = Bounded {
        text: String::new(),
        most,
    };
    // The writer fails on purpose once it is full. A message that fails by itself is kept up to
    // that point.
    write!(bounded, "{message}").ok();
    match shortened(&bounded.text, most) {
        Cow::Borrowed(_) => bounded.text,
        Cow::Owned(text) => text,
    }
}

/// True for a character that is invisible or changes how others are shown: controls, direction
/// marks, zero-width characters, tags, line and paragraph separators, private-use and unassigned
/// characters. Spaces of any width are not hidden.
pub fn is_hidden(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_control();
    }
    if character.is_whitespace() {
        return matches!(character, '\u{85}' | '\u{2028}' | '\u{2029}');
    }
    match character {
        // A joiner, zero-width fillers and vowels, variation selectors and tags: assigned, but
        // invisible.
        '\u{34f}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{3164}'
        | '\u{ffa0}'
        | '\u{e0000}'..='\u{e0fff}' => true,
        _ => is_unprintable(character),
    }
}

/// True if the standard library escapes the character as unprintable. It also escapes combining
/// marks that stand alone, but not after a letter, where they are visible.
fn is_unprintable(character: char) -> bool {
    if character.escape_debug().len() == 1 {
        return false;
    }
    let mut after_a_letter = String::from("a");
    after_a_letter.push(character);
    after_a_letter.escape_debug().any(|shown| shown == '\\')
}

fn escaped(character: char) -> String {
    match character {
        '\t' | '\r' | '\n' | '"' | '\\' => character.escape_default().to_string(),
        _ => character.escape_unicode().to_string(),
    }
}

/// The longest prefix of a text with at most `most` bytes.
fn head(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// A writer that stops just past a bound.
struct Bounded {
    text: String,
    most: usize,
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        // One character past the bound shows that there was more.
        let room = (self.most + 4).saturating_sub(self.text.len());
        let fits = head(piece, room);
        self.text.push_str(fits);
        if fits.len() < piece.len() {
            return Err(fmt::Error);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_text_is_short_and_shows_what_is_in_it() {
        for (text, shown) in [
            ("menu", "\"menu\""),
            ("a\"b\\c", r#""a\"b\\c""#),
            (
                "a\u{202e}b\u{200b}\x1b[2J\n",
                r#""a\u{202e}b\u{200b}\u{1b}[2J\n""#,
            ),
            (
                "grüße, नमस्ते, 漢字\u{3000}🙂",
                "\"grüße, नमस्ते, 漢字\u{3000}🙂\"",
            ),
        ] {
            assert_eq!(Quoted(text).to_string(), shown);
        }
        let long = Quoted(&"é".repeat(1_000_000)).to_string();
        assert_eq!(long, format!("\"{}\"…", "é".repeat(QUOTED_CHARS)));
        let exact = "x".repeat(QUOTED_CHARS);
        assert_eq!(Quoted(&exact).to_string(), format!("\"{exact}\""));
    }

    #[test]
    fn what_cannot_be_seen_is_hidden() {
        for hidden in [
            '\0',
            '\n',
            '\x1b',
            '\u{7f}',
            '\u{85}',
            '\u{9b}',
            '\u{ad}',
            '\u{61c}',
            '\u{115f}',
            '\u{180e}',
            '\u{200b}',
            '\u{200d}',
            '\u{200e}',
            '\u{200f}',
            '\u{2028}',
            '\u{2029}',
            '\u{202a}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{3164}',
            '\u{e000}',
            '\u{feff}',
            '\u{ffff}',
            '\u{e0041}',
            '\u{e0100}',
            '\u{10ffff}',
        ] {
            assert!(is_hidden(hidden), "{hidden:?}");
        }
        for seen in [
            'a', ' ', '\u{a0}', 'é', '\u{301}', '\u{93e}', '漢', '🙂', '\u{3000}',
        ] {
            assert!(!is_hidden(seen), "{seen:?}");
        }
        assert_eq!(printable("a\tb\u{2067}é"), r"a\tb\u{2067}é");
        assert!(matches!(printable("plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_message_is_never_written_further_than_its_bound() {
        struct Endless;
        impl Display for Endless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                loop {
                    f.write_str("äöü")?;
                }
            }
        }
        let text = bounded(Endless, 100);
        assert!(text.len() <= 100 && text.ends_with('…'), "{text}");
        assert_eq!(bounded("x".repeat(100), 100), "x".repeat(100));
        assert_eq!(
            bounded("x".repeat(101), 100),
            format!("{}…", "x".repeat(97))
        );
        assert_eq!(shortened("äöü", 5), "ä…");
        assert_eq!(shortened("äöü", 6), "äöü");
        assert_eq!(shortened("abc", 0), "…");
    }
}
