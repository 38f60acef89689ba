//! What this machine lets a test do.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a fault needs.
#[derive(Clone, Copy)]
pub enum Need {
    Root,
    Command(&'static str),
    /// One to be loaded into a process before others.
    Library(&'static str),
}

/// What is lacking, in words, with the remedy.
pub fn lacks(needs: &[Need]) -> Option<String> {
    needs.iter().find_map(|need| match need {
        Need::Root => {
            (!rustix::process::geteuid().is_root()).then(|| "needs root; run it as root".to_owned())
        }
        Need::Command(command) => (!is_there(command)).then(|| {
            format!("needs the command {command}; tests/run installs it, or apt-get install it")
        }),
        Need::Library(name) => library(name)
            .is_none()
            .then(|| format!("needs {name}; tests/run installs it, or apt-get install faketime")),
    })
}

/// Where a library of faketime is.
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

fn is_there(command: &str) -> bool {
    let places = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&places).any(|place| place.join(command).exists())
}

/// Runs a command, which has to succeed.
pub fn run(command: &str, arguments: &[&str]) {
    let output = Command::new(command)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command} {arguments:?}: {said}");
}
