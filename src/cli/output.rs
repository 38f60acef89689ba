//! What goes to standard output (documents, one a line) and to standard error (words, and a progress line on a terminal).

use std::borrow::Cow;
use std::fmt::{Display, Write as _};
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use rustix::event::{PollFd, PollFlags, poll};
use serde::Serialize;
use tokio::io::AsyncWriteExt as _;
use tokio::time::MissedTickBehavior;

use super::Failure;
use expd_domain::Payload;
use expd_domain::quoted::is_hidden;
pub use expd_domain::quoted::printable;

/// What is there but matters less.
pub const DIM: Style = Style::new().dimmed();
/// What stands out.
pub const BOLD: Style = Style::new().bold();
/// What is well.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// What may need a look.
pub const WARN: Style = AnsiColor::Yellow.on_default();
/// What is wrong.
pub const BAD: Style = AnsiColor::Red.on_default().bold();

/// `text` in a style.
pub fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Standard output. Writing awaits its reader, so that whatever else ends a command can do so meanwhile.
pub struct Output {
    stdout: tokio::io::Stdout,
    terminal: bool,
    colours: bool,
}

impl Output {
    /// Standard output as this process has it.
    pub fn new() -> Self {
        let stdout = io::stdout();
        Self {
            colours: anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never,
            terminal: stdout.is_terminal(),
            stdout: tokio::io::stdout(),
        }
    }

    /// Writes a value as one line of JSON.
    pub async fn document(&mut self, value: &(impl Serialize + Sync)) -> Result<(), Failure> {
        let text = serde_json::to_string(value)
            .map_err(|error| Failure::Failed(format!("cannot write an answer as JSON: {error}")))?;
        self.json(&text).await
    }

    /// Writes a payload as one line, in its exact text but for line breaks between its tokens.
    pub async fn payload(&mut self, payload: &Payload) -> Result<(), Failure> {
        self.json(payload.as_str()).await
    }

    /// Writes a line for people; styles in it are taken out where standard output shows none.
    pub async fn text(&mut self, line: &str) -> Result<(), Failure> {
        let line = if self.colours {
            Cow::Borrowed(line)
        } else {
            Cow::Owned(anstream::adapter::strip_str(line).to_string())
        };
        self.line(&line).await
    }

    async fn json(&mut self, text: &str) -> Result<(), Failure> {
        self.line(&self.shown(text)).await
    }

    /// A JSON text as it is written here; see [`one_line`] and [`unarmed`].
    pub fn shown<'t>(&self, json: &'t str) -> Cow<'t, str> {
        match one_line(json) {
            line if !self.terminal => line,
            Cow::Borrowed(line) => unarmed(line),
            Cow::Owned(line) => Cow::Owned(unarmed(&line).into_owned()),
        }
    }

    async fn line(&mut self, line: &str) -> Result<(), Failure> {
        let mut bytes = Vec::with_capacity(line.len() + 1);
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
        let written = async {
            self.stdout.write_all(&bytes).await?;
            self.stdout.flush().await
        };
        written.await.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::ReaderLeft,
            _ => Failure::Output(error),
        })
    }
}

/// Ends when whoever read standard output is gone, so that a command that waits for events does not outlive its pipe. Never
/// ends where that cannot be seen, as for a file.
pub async fn reader_left() {
    // A thread of its own, since the runtime cannot watch a descriptor that others write to and that must stay blocking. It
    // ends with the process at the latest.
    let gone = tokio::task::spawn_blocking(|| {
        let stdout = io::stdout();
        // Asks for nothing: what is reported all the same is that the other end is closed.
        let mut watched = [PollFd::new(&stdout, PollFlags::empty())];
        loop {
            match poll(&mut watched, None) {
                Err(rustix::io::Errno::INTR) => {}
                polled => return polled.is_ok(),
            }
        }
    });
    if !matches!(gone.await, Ok(true)) {
        std::future::pending::<()>().await;
    }
}

/// JSON with its line breaks as spaces: they stand between tokens only, since a string has them escaped.
fn one_line(json: &str) -> Cow<'_, str> {
    if json.contains(['\n', '\r']) {
        Cow::Owned(json.replace(['\n', '\r'], " "))
    } else {
        Cow::Borrowed(json)
    }
}

/// JSON without characters that a terminal takes as commands or that hide what is there: what JSON leaves unescaped of them stands
/// in strings, and is escaped there; it stays the same document.
fn unarmed(json: &str) -> Cow<'_, str> {
    let is_hidden = |character| character != '\t' && is_hidden(character);
    if !json.contains(is_hidden) {
        return Cow::Borrowed(json);
    }
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if is_hidden(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // A String takes whatever is written.
                let _infallible = write!(text, "\\u{unit:04x}");
            }
        } else {
            text.push(character);
        }
    }
    Cow::Owned(text)
}

/// A line of words on standard error.
pub fn note(line: impl Display) {
    // Where nobody reads the words, the work goes on.
    let _unread = writeln!(anstream::stderr(), "{line}");
}

/// Something that is wrong.
pub fn error(what: impl Display) {
    let text = what.to_string();
    note(format_args!(
        "{} {}",
        styled(BAD, "error:"),
        printable(&text)
    ));
}

/// Whether words that are of use to somebody watching alone should be written at all.
pub fn watched() -> bool {
    io::stderr().is_terminal()
}

/// The line at the bottom of a terminal that says what is being waited for. Without a terminal it shows nothing.
pub struct Progress {
    shows: bool,
}

impl Progress {
    /// For standard error as this process has it.
    pub fn new() -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            shows: watched() && !dumb,
        }
    }

    /// Waits for `work`, and shows `what` as long as that takes, if there is anything to say.
    pub async fn during<T>(&self, what: Option<&str>, work: impl Future<Output = T>) -> T {
        let Some(what) = what.filter(|_| self.shows) else {
            return work.await;
        };
        let mut work = std::pin::pin!(work);
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut line = Line { drawn: false };
        for frame in ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
            .into_iter()
            .cycle()
        {
            tokio::select! {
                biased;
                done = &mut work => return done,
                _ = ticks.tick() => line.draw(frame, what),
            }
        }
        work.await
    }
}

/// The progress line while it is there; wiped off when the wait ends in whatever way.
struct Line {
    drawn: bool,
}

impl Line {
    fn draw(&mut self, frame: char, what: &str) {
        // Short enough for one row nearly everywhere: a row that wraps would not be wiped off whole.
        let what: String = printable(what).chars().take(70).collect();
        self.drawn = true;
        let mut stderr = anstream::stderr();
        // A progress line that cannot be drawn is no loss.
        let _unseen = write!(stderr, "\r\x1b[2K{} {what}", styled(DIM, frame));
        let _unseen = stderr.flush();
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.drawn {
            let mut stderr = io::stderr();
            // As above.
            let _unseen = write!(stderr, "\r\x1b[2K");
            let _unseen = stderr.flush();
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
    fn nothing_from_elsewhere_commands_the_terminal() {
        assert_eq!(unarmed("\"a\u{9b}31m\u{7f}é\""), r#""a\u009b31m\u007fé""#);
        let hidden = "{\t\"\u{202e}\u{2066}\u{200b}\u{e0041}\": \"نعم 🙂\"}";
        let shown = unarmed(hidden);
        assert_eq!(
            shown,
            "{\t\"\\u202e\\u2066\\u200b\\udb40\\udc41\": \"نعم 🙂\"}"
        );
        let read = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
        assert_eq!(read(&shown), read(hidden));
        assert_eq!(printable("a\x1b[31m\nb"), r"a\u{1b}[31m\nb");
    }
}
