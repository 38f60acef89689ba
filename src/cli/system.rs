//! Commands of the system, run with a bound on their time and their output.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::time::timeout;

/// Time for a command: a journal on a slow disk takes seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Largest output that is read, in bytes.
const LARGEST: u64 = 4 << 20;

/// True where systemd is the service manager.
pub(super) fn has_systemd() -> bool {
    Path::new("/run/systemd/system").exists()
}

/// The standard output of a command, or why there is none.
pub(super) async fn command(program: &str, arguments: &[&str]) -> Result<String, String> {
    let shown = format!("{program} {}", arguments.join(" "));
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C.UTF-8");
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command.stderr(Stdio::null()).kill_on_drop(true);
    let failed = |why: String| format!("{shown}: {why}");
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    let stdout = child
        .stdout
        .take()
        .ok_or_else(|| failed("no output".into()))?;
    let mut bytes = Vec::new();
    let read = async {
        let mut stdout = stdout.take(LARGEST);
        stdout.read_to_end(&mut bytes).await?;
        // What goes beyond the bound is not waited for.
        drop(stdout);
        child.wait().await
    };
    let ended = timeout(PATIENCE, read).await;
    let ended = ended.map_err(|_| failed(format!("no end within {} s", PATIENCE.as_secs())))?;
    let status = ended.map_err(|error| failed(error.to_string()))?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    if !status.success() && text.is_empty() {
        return Err(failed(status.to_string()));
    }
    Ok(text)
}
