//! Standard output, for documents, and standard error, for messages and a progress line.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use rustix::event::{PollFd, PollFlags, poll};
use serde::Serialize;
use tokio::io::AsyncWriteExt as _;
use tokio::time::MissedTickBehavior;

use super::failure::Failure;
use super::json_text::{escaped, one_line, pretty};
use super::terminal::{ascii, has_unicode};
use crate::standard_error;
use expd_domain::Payload;
pub(super) use expd_domain::quoted::printable;

/// Style of details.
pub(super) const DIM: Style = Style::new().dimmed();
/// Style of emphasis.
pub(super) const BOLD: Style = Style::new().bold();
/// Style of success.
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
/// Style of warnings.
pub(super) const WARN: Style = AnsiColor::Yellow.on_default();
/// Style of errors.
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();

/// Applies a style to a text.
pub(super) fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Standard output. Writes wait for the reader without blocking, so that a signal can end the
/// command meanwhile.
pub(super) struct Output {
    stdout: tokio::io::Stdout,
    terminal: bool,
    colours: bool,
    /// True for a terminal that is limited to ASCII.
    is_ascii: bool,
}

impl Output {
    pub(super) fn new() -> Self {
        let stdout = io::stdout();
        Self {
            colours: anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never,
            terminal: stdout.is_terminal(),
            is_ascii: stdout.is_terminal() && !has_unicode(),
            stdout: tokio::io::stdout(),
        }
    }

    /// Writes a value as JSON.
    pub(super) async fn document<T>(&mut self, value: &T) -> Result<(), Failure>
    where
        T: Serialize + Sync,
    {
        let text = serde_json::to_string(value)
            .map_err(|error| Failure::Failed(format!("cannot write an answer as JSON: {error}")))?;
        self.json(&text).await
    }

    /// Writes a payload: its exact text, except for white space between tokens.
    pub(super) async fn payload(&mut self, payload: &Payload) -> Result<(), Failure> {
        self.json(payload.as_str()).await
    }

    /// Writes a line for people, without its styles if standard output shows none.
    pub(super) async fn text(&mut self, line: &str) -> Result<(), Failure> {
        let line = if self.colours {
            Cow::Borrowed(line)
        } else {
            Cow::Owned(anstream::adapter::strip_str(line).to_string())
        };
        if self.is_ascii {
            return self.line(&ascii(&line)).await;
        }
        self.line(&line).await
    }

    /// Writes a document: indented on a terminal, otherwise as one line of its exact text.
    pub(super) async fn json(&mut self, text: &str) -> Result<(), Failure> {
        if self.terminal {
            return self.line(&pretty(&escaped(text))).await;
        }
        self.line(&one_line(text)).await
    }

    /// Formats JSON for one line of this output; for a terminal it is escaped.
    pub(super) fn shown<'t>(&self, json: &'t str) -> Cow<'t, str> {
        match one_line(json) {
            line if !self.terminal => line,
            Cow::Borrowed(line) => escaped(line),
            Cow::Owned(line) => Cow::Owned(escaped(&line).into_owned()),
        }
    }

    /// Writes bytes unchanged. On a terminal, which they could control, text is escaped and
    /// anything else is refused.
    pub(super) async fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if !self.terminal {
            return self.write(bytes).await;
        }
        match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => {
                let lines: Vec<_> = text.lines().map(printable).collect();
                self.line(&lines.join("\n")).await
            }
            _ => Err(binary()),
        }
    }

    /// Refuses binary content if standard output is a terminal.
    pub(super) fn check_for_bytes(&self, content_type: &str) -> Result<(), Failure> {
        let is_text = content_type.starts_with("text/") || content_type.contains("json");
        if self.terminal && !is_text {
            return Err(binary());
        }
        Ok(())
    }

    /// Writes one piece of a larger content; [`Self::flush`] follows the last one.
    pub(super) async fn piece(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if self.terminal {
            return self.bytes(bytes).await;
        }
        let written = self.stdout.write_all(bytes).await;
        written.map_err(write_failed)
    }

    /// Waits until everything is written.
    pub(super) async fn flush(&mut self) -> Result<(), Failure> {
        let written = self.stdout.flush().await;
        written.map_err(write_failed)
    }

    async fn line(&mut self, line: &str) -> Result<(), Failure> {
        let mut bytes = Vec::with_capacity(line.len() + 1);
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
        self.write(&bytes).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = async {
            self.stdout.write_all(bytes).await?;
            self.stdout.flush().await
        };
        written.await.map_err(write_failed)
    }
}

fn write_failed(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::ReaderLeft,
        _ => Failure::Output(error),
    }
}

fn binary() -> Failure {
    Failure::Failed(
        "this is not text, and standard output is a terminal; redirect it to a file: … > FILE"
            .to_owned(),
    )
}

/// Waits until the reader of standard output is gone, so that a command that waits for events does
/// not outlive its pipe. Waits forever where that cannot be detected, as for a file.
pub(super) async fn reader_left() {
    // On its own thread, which ends with the process at the latest: the runtime cannot watch a
    // descriptor that others write to and that must stay blocking.
    let gone = tokio::task::spawn_blocking(|| {
        let stdout = io::stdout();
        // No event is requested: the kernel reports a closed reader in any case.
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

/// Writes a line to standard error, in one piece.
pub(super) fn note(line: impl Display) {
    let mut line = format!("{line}\n");
    if is_watched() && !has_unicode() {
        line = ascii(&line).into_owned();
    }
    standard_error::write_styled(&line);
}

/// Writes an error to standard error.
pub(super) fn error(error: impl Display) {
    let text = error.to_string();
    note(format_args!(
        "{} {}",
        styled(BAD, "error:"),
        printable(&text)
    ));
}

/// True if a person watches standard error.
pub(super) fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// Progress line at the bottom of a terminal. Without a terminal, nothing is shown.
pub(super) struct Progress {
    is_shown: bool,
}

impl Progress {
    pub(super) fn new() -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            is_shown: is_watched() && !dumb,
        }
    }

    /// Waits for `work`, and shows `what` meanwhile.
    pub(super) async fn during<T>(&self, what: Option<&str>, work: impl Future<Output = T>) -> T {
        let Some(what) = what.filter(|_| self.is_shown) else {
            return work.await;
        };
        let mut work = std::pin::pin!(work);
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut line = ProgressLine { drawn: false };
        let frames: &[char] = if has_unicode() {
            &['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
        } else {
            &['|', '/', '-', '\\']
        };
        for frame in frames.iter().copied().cycle() {
            tokio::select! {
                biased;
                done = &mut work => return done,
                _ = ticks.tick() => line.draw(frame, what),
            }
        }
        work.await
    }
}

/// The line while it is drawn; erased on drop.
struct ProgressLine {
    drawn: bool,
}

impl ProgressLine {
    fn draw(&mut self, frame: char, what: &str) {
        // Short enough for one row of nearly every terminal: only one row is erased.
        let what: String = printable(what).chars().take(70).collect();
        self.drawn = true;
        let mut stderr = anstream::stderr();
        // A failure to draw the progress line does not matter.
        let what = if has_unicode() {
            what
        } else {
            ascii(&what).into_owned()
        };
        write!(stderr, "\r\x1b[2K{} {what}", styled(DIM, frame)).ok();
        stderr.flush().ok();
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if self.drawn {
            let mut stderr = io::stderr();
            // As above.
            write!(stderr, "\r\x1b[2K").ok();
            stderr.flush().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_cannot_command_the_terminal() {
        assert_eq!(printable("a\x1b[31m\nb"), r"a\u{1b}[31m\nb");
    }
}
