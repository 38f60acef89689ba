//! Where the daemon keeps its state.

use std::ffi::OsString;
use std::path::PathBuf;

use super::settings::Settings;

/// What the place of the state depends on, besides the settings.
#[derive(Clone, Debug, Default)]
pub struct StateSurroundings {
    /// `STATE_DIRECTORY`, which systemd sets for `StateDirectory=`.
    pub state_directory: Option<OsString>,
    /// `XDG_STATE_HOME`.
    pub xdg_state_home: Option<OsString>,
    /// `HOME`.
    pub home: Option<OsString>,
    /// Whether this is root.
    pub root: bool,
}

impl StateSurroundings {
    /// This process's.
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

/// The folder of the daemon's state: the configured one, else systemd's, else `/var/lib/expd` for root, else the user's own. None
/// where a user has no home.
pub fn state_dir(settings: &Settings, surroundings: &StateSurroundings) -> Option<PathBuf> {
    if let Some(folder) = &settings.daemon.state_dir {
        return Some(folder.clone());
    }
    if let Some(folders) = &surroundings.state_directory {
        // The first of several that the unit may name.
        return std::env::split_paths(folders).next();
    }
    if surroundings.root {
        return Some(PathBuf::from("/var/lib/expd"));
    }
    if let Some(folder) = &surroundings.xdg_state_home {
        return Some(PathBuf::from(folder).join("expd"));
    }
    let home = surroundings.home.as_ref()?;
    Some(PathBuf::from(home).join(".local/state/expd"))
}

/// The folder of the embedded network's keys, in the folder of the state.
pub fn hub_state_dir(settings: &Settings, surroundings: &StateSurroundings) -> Option<PathBuf> {
    state_dir(settings, surroundings).map(|folder| folder.join("hub"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_goes_where_it_was_told_then_where_the_system_has_it() {
        let mut settings = Settings::default();
        let mut around = StateSurroundings {
            home: Some("/home/u".into()),
            ..Default::default()
        };
        let place = |settings: &Settings, around: &_| state_dir(settings, around).unwrap();
        assert_eq!(
            place(&settings, &around),
            PathBuf::from("/home/u/.local/state/expd")
        );
        around.xdg_state_home = Some("/x".into());
        assert_eq!(place(&settings, &around), PathBuf::from("/x/expd"));
        around.root = true;
        assert_eq!(place(&settings, &around), PathBuf::from("/var/lib/expd"));
        around.state_directory = Some("/s/a:/s/b".into());
        assert_eq!(place(&settings, &around), PathBuf::from("/s/a"));
        settings.daemon.state_dir = Some("/told".into());
        assert_eq!(place(&settings, &around), PathBuf::from("/told"));
        assert_eq!(
            state_dir(&Settings::default(), &StateSurroundings::default()),
            None
        );
    }
}
