//! Options of `expd serve`, and the settings that result from them.

use std::path::{Path, PathBuf};

use crate::config::{self, ConfigErrors, DEFAULT_FILE, Loaded, LogFormat, LogLevel, Source};
use expd_hub::HubSettings;

#[derive(Clone, Debug, Default)]
pub struct ServeOptions {
    pub config: Option<PathBuf>,
    /// Unix socket, in place of the settings' or the default one.
    pub socket: Option<PathBuf>,
    /// Also runs the embedded EXP network.
    pub embedded: bool,
    /// Log level, in place of the settings'.
    pub log: Option<LogLevel>,
    /// Form of the log, in place of the settings'.
    pub log_format: Option<LogFormat>,
}

impl ServeOptions {
    /// Path of the settings file, which may not exist.
    pub(super) fn settings_file(&self) -> &Path {
        self.config.as_deref().unwrap_or(Path::new(DEFAULT_FILE))
    }

    pub(super) fn read_settings(&self) -> Result<Loaded, ConfigErrors> {
        self.read(|loaded| loaded.for_serving(self.embedded))
    }

    /// Reads the settings for a reload; `hub` is the embedded network that runs.
    pub(super) fn read_again(&self, hub: Option<&HubSettings>) -> Result<Loaded, ConfigErrors> {
        self.read(|loaded| loaded.for_running(hub))
    }

    fn read(
        &self,
        complete: impl FnOnce(Loaded) -> Result<Loaded, ConfigErrors>,
    ) -> Result<Loaded, ConfigErrors> {
        let mut source = Source::from_process(self.config.clone());
        // The packaged default file is readable by the service only; `--embedded` works without it.
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
