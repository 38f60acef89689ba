//! A password from standard input: from a pipe as it is, from a terminal without showing it.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::Failure;
use super::stop::Stop;
use expd_domain::Secret;

/// More than anybody types, and little enough to hash.
const MAX_BYTES: u64 = 64 * 1024;

/// Reads one password. The line break at its end is not part of it.
pub async fn read() -> Result<Secret, Failure> {
    let text = if io::stdin().is_terminal() {
        // Taken over first: a signal that killed the process here would leave the terminal hiding what is typed.
        let mut stop = Stop::new()?;
        let _hidden = Hidden::start().map_err(failed)?;
        // Without the prompt it can still be typed.
        let _unseen = write!(io::stderr(), "Password: ");
        let typed = tokio::select! {
            typed = tokio::task::spawn_blocking(|| {
                let mut text = String::new();
                io::stdin().lock().take(MAX_BYTES).read_line(&mut text).map(|_| text)
            }) => typed,
            () = stop.asked() => return Err(Failure::Failed("no password was given".into())),
        };
        // The line break that was typed was not shown either.
        let _unseen = writeln!(io::stderr());
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
        return Err(Failure::Usage(
            "there is no password on standard input".into(),
        ));
    }
    Ok(Secret::new(password))
}

fn failed(source: io::Error) -> Failure {
    if source.kind() == io::ErrorKind::InvalidData {
        return Failure::Usage(
            "the password on standard input is not UTF-8; convert it (iconv --from-code=latin1 --to-code=utf-8)"
                .to_owned(),
        );
    }
    Failure::Input {
        what: "the password from standard input".to_owned(),
        source,
    }
}

/// A terminal that does not show what is typed, as long as this lives.
struct Hidden(Termios);

impl Hidden {
    fn start() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &hidden)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that cannot be set back is gone.
        let _gone = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}
