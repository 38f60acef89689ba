//! Location of the daemon's state.

use std::ffi::OsString;
use std::path::PathBuf;

use super::settings::Settings;

/// Process environment that the location depends on, besides the settings.
#[derive(Clone, Debug, Default)]
pub struct StateEnvironment {
    /// `STATE_DIRECTORY`, which systemd sets for `StateDirectory=`.
    pub state_directory: Option<OsString>,
    pub xdg_state_home: Option<OsString>,
    pub home: Option<OsString>,
    pub root: bool,
}

impl StateEnvironment {
    pub fn from_process() -> Self {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            state_directory: set("STATE_DIRECTORY"),
            xdg_state_home: set("XDG_STATE_HOME"),
            home: set("HOME"),
            root: rustix::process::geteuid().is_root(),
        }
    }
}

/// State folder of the daemon: the configured one, else systemd's, else `/var/lib/expd` for root,
/// else the user's own. `None` for a user without a home.
pub fn state_dir(settings: &Settings, environment: &StateEnvironment) -> Option<PathBuf> {
    if let Some(folder) = &settings.daemon.state_dir {
        return Some(folder.clone());
    }
    if let Some(folders) = &environment.state_directory {
        // The unit may name several; the first one counts.
        return std::env::split_paths(folders).next();
    }
    if environment.root {
        return Some(PathBuf::from("/var/lib/expd"));
    }
    if let Some(folder) = &environment.xdg_state_home {
        return Some(PathBuf::from(folder).join("expd"));
    }
    let home = environment.home.as_ref()?;
    Some(PathBuf::from(home).join(".local/state/expd"))
}

/// Folder of the embedded network's keys, inside the state folder.
pub fn hub_state_dir(settings: &Settings, environment: &StateEnvironment) -> Option<PathBuf> {
    state_dir(settings, environment).map(|folder| folder.join("hub"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_goes_where_it_was_told_then_where_the_system_has_it() {
        let mut settings = Settings::default();
        let mut environment = StateEnvironment {
            home: Some("/home/u".into()),
            ..Default::default()
        };
        let place =
            |settings: &Settings, environment: &_| state_dir(settings, environment).unwrap();
        assert_eq!(
            place(&settings, &environment),
            PathBuf::from("/home/u/.local/state/expd")
        );
        environment.xdg_state_home = Some("/x".into());
        assert_eq!(place(&settings, &environment), PathBuf::from("/x/expd"));
        environment.root = true;
        assert_eq!(
            place(&settings, &environment),
            PathBuf::from("/var/lib/expd")
        );
        environment.state_directory = Some("/s/a:/s/b".into());
        assert_eq!(place(&settings, &environment), PathBuf::from("/s/a"));
        settings.daemon.state_dir = Some("/told".into());
        assert_eq!(place(&settings, &environment), PathBuf::from("/told"));
        assert_eq!(
            state_dir(&Settings::default(), &StateEnvironment::default()),
            None
        );
    }
}
