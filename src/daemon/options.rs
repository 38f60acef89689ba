//! Options of `expd serve`, and the settings that they lead to.

use std::path::{Path, PathBuf};

use crate::config::{self, ConfigErrors, DEFAULT_FILE, Loaded, LogFormat, LogLevel, Source};
use expd_hub::HubSettings;

/// Options of `expd serve`.
#[derive(Clone, Debug, Default)]
pub struct ServeOptions {
    /// The settings file.
    pub config: Option<PathBuf>,
    /// The Unix socket; the one of the settings, or the default, where not given.
    pub socket: Option<PathBuf>,
    /// True to run the embedded EXP network too.
    pub embedded: bool,
    /// The log's level, in place of the settings'.
    pub log: Option<LogLevel>,
    /// Form of the log; that of the settings where not given.
    pub log_format: Option<LogFormat>,
}

impl ServeOptions {
    /// The file that the settings come from, where it exists.
    pub(super) fn settings_file(&self) -> &Path {
        self.config.as_deref().unwrap_or(Path::new(DEFAULT_FILE))
    }

    /// Reads the settings for a start.
    pub(super) fn read_settings(&self) -> Result<Loaded, ConfigErrors> {
        self.read(|loaded| loaded.for_serving(self.embedded))
    }

    /// Reads the settings for a reload of a daemon that runs this network.
    pub(super) fn read_again(&self, hub: Option<&HubSettings>) -> Result<Loaded, ConfigErrors> {
        self.read(|loaded| loaded.for_running(hub))
    }

    fn read(
        &self,
        complete: impl FnOnce(Loaded) -> Result<Loaded, ConfigErrors>,
    ) -> Result<Loaded, ConfigErrors> {
        let mut source = Source::from_process(self.config.clone());
        // With a package installed, the default file is the service's, and not everybody's to read.
        // A network of one's own needs none.
        let passed_over = if self.embedded && self.config.is_none() {
            source.pass_over_unreadable_file()
        } else {
            None
        };
        let loaded = config::load(&source)?;
        let mut loaded = complete(loaded)?;
        loaded.warnings.extend(passed_over);
        if let Some(level) = self.log {
            loaded.settings.daemon.log = level;
        }
        Ok(loaded)
    }
}
