//! Options of `expd serve`, and the settings that they lead to.

use std::path::PathBuf;

use crate::config::{self, ConfigErrors, Loaded, LogFormat, LogLevel, Source};
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
        let loaded = config::load(&Source::from_process(self.config.clone()))?;
        let mut loaded = complete(loaded)?;
        if let Some(level) = self.log {
            loaded.settings.daemon.log = level;
        }
        Ok(loaded)
    }
}
