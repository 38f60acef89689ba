//! Where the daemon's socket is.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where the packaged service puts the socket.
pub const SYSTEM_SOCKET: &str = "/run/expd/expd.sock";

/// Where the socket is when nobody names it: `EXPD_SOCKET`, else [`SYSTEM_SOCKET`] for root or when it exists, else
/// `$XDG_RUNTIME_DIR/expd/expd.sock`, else `/tmp/expd-UID/expd.sock`.
///
/// The environment, the user and the file system are given, so that the rules can be read and tested by themselves. An
/// empty variable counts as unset, and so does a relative `XDG_RUNTIME_DIR` (its specification says so).
pub fn socket_path(
    variable: impl Fn(&str) -> Option<OsString>,
    uid: u32,
    exists: impl Fn(&Path) -> bool,
) -> PathBuf {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    if let Some(named) = set("EXPD_SOCKET") {
        return PathBuf::from(named);
    }
    let system = Path::new(SYSTEM_SOCKET);
    if uid == 0 || exists(system) {
        return system.to_owned();
    }
    match set("XDG_RUNTIME_DIR").map(PathBuf::from) {
        Some(runtime) if runtime.is_absolute() => runtime.join("expd/expd.sock"),
        _ => PathBuf::from(format!("/tmp/expd-{uid}/expd.sock")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(variables: &[(&str, &str)], uid: u32, system_exists: bool) -> String {
        let variable = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| OsString::from(value))
        };
        let path = socket_path(variable, uid, |path| {
            system_exists && path == Path::new(SYSTEM_SOCKET)
        });
        path.display().to_string()
    }

    #[test]
    fn the_first_rule_that_applies_names_the_socket() {
        let runtime = ("XDG_RUNTIME_DIR", "/run/user/7");
        let named = ("EXPD_SOCKET", "/named.sock");
        assert_eq!(path(&[named, runtime], 0, true), "/named.sock");
        assert_eq!(path(&[runtime], 0, false), SYSTEM_SOCKET);
        assert_eq!(path(&[runtime], 7, true), SYSTEM_SOCKET);
        assert_eq!(path(&[runtime], 7, false), "/run/user/7/expd/expd.sock");
        assert_eq!(path(&[], 7, false), "/tmp/expd-7/expd.sock");
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        let empty = [("EXPD_SOCKET", ""), ("XDG_RUNTIME_DIR", "")];
        assert_eq!(path(&empty, 7, false), "/tmp/expd-7/expd.sock");
        let relative = [("XDG_RUNTIME_DIR", "run")];
        assert_eq!(path(&relative, 7, false), "/tmp/expd-7/expd.sock");
    }
}
