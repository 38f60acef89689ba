//! Capabilities of the terminal, according to the environment: a serial console has few.

use std::borrow::Cow;

/// True for a terminal of the VT100 to VT220 family, as a serial console's login names it: no
/// colours, and no reliable character beyond ASCII.
pub(super) fn is_serial() -> bool {
    std::env::var("TERM").is_ok_and(|term| is_serial_kind(&term))
}

fn is_serial_kind(term: &str) -> bool {
    let model = term.strip_prefix("vt");
    model.is_some_and(|model| model.starts_with(['1', '2']))
}

/// True if the terminal shows Unicode.
pub(super) fn has_unicode() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|locale| !locale.is_empty());
    !is_serial() && is_unicode(locale.as_deref())
}

/// True for a UTF-8 locale. Without a locale the terminal decides, and most use UTF-8.
fn is_unicode(locale: Option<&str>) -> bool {
    locale.is_none_or(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// Converts a text to ASCII, one character for one.
pub(super) fn ascii(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let shown = text.chars().map(|character| match character {
        ' '..='~' | '\n' | '\u{1b}' => character,
        '…' => '~',
        _ => '?',
    });
    Cow::Owned(shown.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_console_is_known_by_its_name() {
        for serial in ["vt100", "vt102", "vt220", "vt220-w"] {
            assert!(is_serial_kind(serial), "{serial}");
        }
        for other in ["xterm-256color", "linux", "vt", "vte", "screen", ""] {
            assert!(!is_serial_kind(other), "{other}");
        }
    }

    #[test]
    fn a_locale_says_whether_unicode_is_shown() {
        for unicode in [None, Some("C.UTF-8"), Some("de_CH.utf8")] {
            assert!(is_unicode(unicode), "{unicode:?}");
        }
        for other in ["C", "POSIX", "de_CH.ISO-8859-1"] {
            assert!(!is_unicode(Some(other)), "{other}");
        }
    }

    #[test]
    fn every_character_keeps_its_column() {
        assert_eq!(ascii("plain"), "plain");
        assert_eq!(ascii("\u{1b}[1mcafé…"), "\u{1b}[1mcaf?~");
    }
}
