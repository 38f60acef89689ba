//! Capabilities of this machine that some tests need.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Requirement of a fault.
#[derive(Clone, Copy)]
pub enum Need {
    /// A command that works here. Being root is not enough in every container.
    Works(&'static [&'static str]),
    /// A library to be loaded into a process before others.
    Library(&'static str),
}

/// Describes the first requirement that is not met, with the remedy.
pub fn lacks(needs: &[Need]) -> Option<String> {
    needs.iter().find_map(|need| match need {
        Need::Works(words) => {
            let why = attempt(words[0], &words[1..]).err()?;
            let tried = words.join(" ");
            Some(format!(
                "`{tried}` does not work here ({why}); run it as root, with what tests/run installs"
            ))
        }
        Need::Library(name) => library(name)
            .is_none()
            .then(|| format!("needs {name}; tests/run installs it, or apt-get install faketime")),
    })
}

/// Path of a library of faketime.
pub fn library(name: &str) -> Option<PathBuf> {
    let folders = ["/usr/lib", "/usr/lib64", "/usr/local/lib"].map(Path::new);
    let of_the_architecture = Path::new("/usr/lib").read_dir().into_iter().flatten();
    let nested = of_the_architecture.filter_map(|entry| Some(entry.ok()?.path()));
    let mut folders = folders.into_iter().map(Path::to_path_buf).chain(nested);
    folders.find_map(|folder| {
        let file = folder.join("faketime").join(name);
        file.exists().then_some(file)
    })
}

/// Runs a command, which has to succeed.
pub fn run(command: &str, arguments: &[&str]) {
    attempt(command, arguments).unwrap_or_else(|why| panic!("{command} {arguments:?}: {why}"));
}

/// Runs a command. The error is what it says.
fn attempt(command: &str, arguments: &[&str]) -> Result<(), String> {
    let mut command = Command::new(command);
    let output = command.args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.lines().collect::<Vec<_>>().join("; "))
}
