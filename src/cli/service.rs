//! Runs the commands that inspect an installed expd as its service: started by root, they run again
//! with the environment and the credentials of the service.
//!
//! Without these, a proxy of `/etc/default/expd` or a secret of `LoadCredential=` would be missing,
//! and the findings would not be about the service.

use std::ffi::OsString;
use std::path::Path;

use tokio::process::Command;

use super::failure::Failure;
use super::system::has_systemd;
use super::unit_view::{CredentialFolder, UnitView};

/// Service of the package.
const UNIT: &str = "expd.service";

/// Credentials that the service manager gave to the running service.
const RUNNING: &str = "/run/credentials/expd.service";

/// Environment variable that marks the second run.
const RERUN_VARIABLE: &str = "EXPD_AS_SERVICE";

/// Runs this command again as the service sees the host, and waits for its end. Returns false if
/// this is that run already, or if there is nothing to run as: not root, no systemd, no unit, or a
/// settings file from the command line.
///
/// # Errors
/// The second run failed, and has reported why.
pub(super) async fn has_run_as_service(file: Option<&Path>) -> Result<bool, Failure> {
    let is_root = rustix::process::geteuid().is_root();
    if file.is_some() || !is_root || !has_systemd() || std::env::var_os(RERUN_VARIABLE).is_some() {
        return Ok(false);
    }
    let Ok(mut view) = UnitView::read(UNIT) else {
        return Ok(false);
    };
    let cannot = |what| move |source| Failure::System { what, source };
    let program = std::env::current_exe().map_err(cannot("find this program"))?;
    let folder = CredentialFolder::new().map_err(cannot("make a folder for credentials"))?;
    let running = Path::new(RUNNING);
    let has_credentials = running.is_dir()
        || view
            .place_credentials(folder.path())
            .map_err(cannot("lay out the unit's credentials"))?;
    let mut arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let Some(config) = view.config() {
        arguments.extend([OsString::from("--config"), config.into()]);
    }
    let mut command = Command::new(program);
    command.args(arguments).env(RERUN_VARIABLE, "1");
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_of_settings) {
            command.env_remove(name);
        }
    }
    for (name, value) in view.environment() {
        command.env(name, value);
    }
    if has_credentials {
        let folder = if running.is_dir() {
            running
        } else {
            folder.path()
        };
        command.env("CREDENTIALS_DIRECTORY", folder);
    }
    let status = command.status().await;
    let status = status.map_err(cannot("run as the service"))?;
    match status.code() {
        Some(0) => Ok(true),
        code => Err(Failure::Reported(
            code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1),
        )),
    }
}

/// True for a variable of this shell that would override the service's.
fn is_of_settings(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    name.starts_with("EXPD__") || name.ends_with("_PROXY") || name == "CREDENTIALS_DIRECTORY"
}
