//! System commands, with bounds on their time and their output.

use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::time::timeout;

/// Timeout of a command: a journal on a slow disk takes seconds.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Limit of the output, in bytes.
const LARGEST: u64 = 4 << 20;

/// Error of a command.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommandError {
    #[error("{command}: {source}")]
    Io { command: String, source: io::Error },
    #[error("{command}: timed out after {} s", TIMEOUT.as_secs())]
    TimedOut { command: String },
    /// The command failed without output.
    #[error("{command}: {status}")]
    Failed { command: String, status: ExitStatus },
}

/// True if systemd is the service manager.
pub(super) fn has_systemd() -> bool {
    Path::new("/run/systemd/system").exists()
}

/// Runs a command, and returns its standard output.
///
/// # Errors
/// The command cannot be run, takes too long, or fails without output.
pub(super) async fn command(program: &str, arguments: &[&str]) -> Result<String, CommandError> {
    let shown = format!("{program} {}", arguments.join(" "));
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C.UTF-8");
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command.stderr(Stdio::null()).kill_on_drop(true);
    let failed = |source| CommandError::Io {
        command: shown.clone(),
        source,
    };
    let mut child = command.spawn().map_err(failed)?;
    let stdout = child.stdout.take();
    let stdout = stdout.ok_or_else(|| failed(io::Error::other("no output")))?;
    let mut bytes = Vec::new();
    let read = async {
        let mut stdout = stdout.take(LARGEST);
        stdout.read_to_end(&mut bytes).await?;
        // Output beyond the bound is discarded.
        drop(stdout);
        child.wait().await
    };
    let status = match timeout(TIMEOUT, read).await {
        Ok(ended) => ended.map_err(failed)?,
        Err(_) => return Err(CommandError::TimedOut { command: shown }),
    };
    let text = String::from_utf8_lossy(&bytes).into_owned();
    if !status.success() && text.is_empty() {
        return Err(CommandError::Failed {
            command: shown,
            status,
        });
    }
    Ok(text)
}
