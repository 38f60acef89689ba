//! Keys of the server: the one that signs tokens, and the operator's. Keys that the settings omit
//! are random and stored in files that only their owner can read, so that they outlive a restart.

use std::path::{Path, PathBuf};

use super::settings::HubSettings;
use expd_domain::Secret;
use expd_server::keys::{random, read_or_create};

pub use expd_server::keys::read_key;

/// File names in the server's state folder.
const TOKEN_KEY: &str = "token.key";
const OPERATOR_KEY: &str = "operator.key";

pub(super) struct Keys {
    pub token: Secret,
    pub operator: Secret,
}

impl Keys {
    /// Loads the keys from the settings, else from the state folder, else generates them for this
    /// run.
    pub(super) fn load(settings: &HubSettings) -> Self {
        let folder = settings.state_dir.as_deref();
        let token = settings.token_key.clone();
        let operator = settings.operator_key.clone();
        Self {
            token: token.unwrap_or_else(|| {
                load_or_create(
                    folder,
                    TOKEN_KEY,
                    "tokens end with this run",
                    "hub.token_key",
                )
            }),
            operator: operator.unwrap_or_else(|| {
                load_or_create(
                    folder,
                    OPERATOR_KEY,
                    "nobody can pair devices",
                    "hub.operator_key",
                )
            }),
        }
    }
}

/// Path of the operator's key in a state folder.
#[must_use]
pub fn operator_key_file(folder: &Path) -> PathBuf {
    folder.join(OPERATOR_KEY)
}

fn load_or_create(folder: Option<&Path>, name: &str, consequence: &str, setting: &str) -> Secret {
    let Some(folder) = folder else {
        log::warn!(
            "no folder for the hub's keys: {consequence}; set daemon.state_dir or {setting}"
        );
        return random();
    };
    let path = folder.join(name);
    read_or_create(&path).unwrap_or_else(|error| {
        log::warn!(
            "cannot store a key in {}: {error}; {consequence}; let this user write there, or set daemon.state_dir or {setting}",
            path.display()
        );
        random()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_settings_give_goes_first_and_a_folder_is_not_needed() {
        let mut settings = HubSettings {
            token_key: Some(Secret::new("given")),
            ..HubSettings::default()
        };
        let keys = Keys::load(&settings);
        assert_eq!(keys.token.expose(), "given");
        assert_ne!(keys.operator, Keys::load(&settings).operator);
        let file = tempfile::NamedTempFile::new().unwrap();
        settings.state_dir = Some(file.path().to_owned());
        assert_eq!(Keys::load(&settings).operator.expose().len(), 64);
    }
}
