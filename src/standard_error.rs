//! Standard error. It is not buffered: each text is one write, so that a script never reads half of
//! a line, and lines of several processes do not mix.

use std::io::{self, Write as _};

/// True if it shows colours.
pub fn has_colours() -> bool {
    anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
}

/// Writes a text as it is. A failure could not be reported anywhere.
pub fn write(text: &str) {
    io::stderr().lock().write_all(text.as_bytes()).ok();
}

/// Writes a text with its styles, or without them where no colours are shown.
pub fn write_styled(text: &str) {
    if has_colours() {
        write(text);
    } else {
        write(&anstream::adapter::strip_str(text).to_string());
    }
}
