//! Reads passwords from standard input; a terminal does not echo them.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::failure::Failure;
use super::stop_signal::StopSignal;
use expd_domain::Secret;

/// Longest password: more than anybody types, and quickly hashed.
const MAX_BYTES: u64 = 64 * 1024;

/// Reads a password, without the line break at its end.
pub(super) async fn read() -> Result<Secret, Failure> {
    let text = if io::stdin().is_terminal() {
        // Before the echo is turned off: a signal that killed the process would leave it off.
        let mut stop = StopSignal::new()?;
        let _echo_off = EchoOff::start().map_err(failed)?;
        // A prompt that cannot be written does not keep anybody from typing.
        write!(io::stderr(), "Password: ").ok();
        let typed = tokio::select! {
            typed = tokio::task::spawn_blocking(|| {
                let mut text = String::new();
                io::stdin().lock().take(MAX_BYTES).read_line(&mut text).map(|_| text)
            }) => typed,
            () = stop.received() => return Err(Failure::Failed("no password was given".into())),
        };
        // Replaces the line break that was typed but not echoed.
        writeln!(io::stderr()).ok();
        typed.map_err(io::Error::other).and_then(|typed| typed)
    } else {
        let mut text = String::new();
        let read = io::stdin().lock().take(MAX_BYTES).read_to_string(&mut text);
        read.map(|_| text)
    };
    let text = text.map_err(failed)?;
    let password = text.strip_suffix('\n').unwrap_or(&text);
    let password = password.strip_suffix('\r').unwrap_or(password);
    if password.is_empty() {
        return Err(Failure::Usage("no password on standard input".into()));
    }
    Ok(Secret::new(password))
}

fn failed(source: io::Error) -> Failure {
    if source.kind() == io::ErrorKind::InvalidData {
        return Failure::Usage(
            "the password on standard input is not UTF-8; convert it \
             (iconv --from-code=latin1 --to-code=utf-8)"
                .to_owned(),
        );
    }
    Failure::Input {
        what: "the password from standard input".to_owned(),
        source,
    }
}

/// Turns the terminal's echo off while it exists.
struct EchoOff(Termios);

impl EchoOff {
    fn start() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &hidden)?;
        Ok(Self(before))
    }
}

impl Drop for EchoOff {
    fn drop(&mut self) {
        // A terminal that cannot be restored is gone.
        tcsetattr(io::stdin(), OptionalActions::Now, &self.0).ok();
    }
}
