//! Server texts inside a sentence: bounded as in [`quoted`](crate::quoted), but without quotation
//! marks.
//!
//! A server decides the length and the content of its texts. Every part of them that is logged,
//! kept in a status or put into an error passes through here, so that no response can flood a log
//! or control an operator's terminal.

use std::fmt::Display;

use crate::quoted::{QUOTED_CHARS, bounded, is_hidden};

/// First [`QUOTED_CHARS`] characters of a text, with spaces in place of hidden characters and an
/// ellipsis if the text was cut.
#[must_use]
pub fn excerpt(text: &str) -> String {
    let text = text.trim();
    let plain = |c: char| if is_hidden(c) { ' ' } else { c };
    let mut short: String = text.chars().take(QUOTED_CHARS).map(plain).collect();
    if text.chars().nth(QUOTED_CHARS).is_some() {
        short.push('…');
    }
    short
}

/// A library's error message, which may quote a server's text: serde quotes whole strings, rustls
/// every name of a certificate. The limit is twice that of a quotation, so that the message keeps
/// its own words.
#[must_use]
pub fn sentence(error: &(impl Display + ?Sized)) -> String {
    let plain = |c: char| if is_hidden(c) { ' ' } else { c };
    bounded(error, 2 * QUOTED_CHARS)
        .chars()
        .map(plain)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_text_stays_and_a_long_one_is_cut() {
        assert_eq!(excerpt(" not authorized\n"), "not authorized");
        assert_eq!(excerpt(&"é".repeat(64)), "é".repeat(64));
        let cut = excerpt(&"é".repeat(900_000));
        assert_eq!(cut.chars().count(), QUOTED_CHARS + 1);
        assert!(cut.ends_with('…'));
        assert!(sentence(&"x".repeat(900_000)).len() <= 2 * QUOTED_CHARS);
    }

    #[test]
    fn nothing_in_it_moves_a_terminal() {
        assert_eq!(excerpt("a\nb\u{1b}[0m\u{202e}c"), "a b [0m c");
        assert_eq!(sentence("a\u{1b}[0m"), "a [0m");
    }
}
