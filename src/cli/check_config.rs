//! `expd check-config`: finds mistakes in the settings before a daemon does.

use std::path::PathBuf;

use clap::Args;

use super::failure::Failure;
use super::output::{self, GOOD, WARN, printable, styled};
use super::settings;
use crate::config;

/// Check the settings, and report every mistake at once
///
/// Reads the settings as `expd serve` does: the file, the environment (`EXPD__SECTION__KEY`) and
/// systemd's credentials. Each mistake comes with its line and the remedy. Starts nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  expd check-config
  expd check-config --config ./expd.toml")]
pub(super) struct CheckConfig {
    /// The settings file [default: /etc/expd/expd.toml where it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl CheckConfig {
    pub(super) fn run(self) -> Result<(), Failure> {
        let loaded = settings::load(self.config)?;
        for warning in &loaded.warnings {
            output::note(format_args!(
                "{} {}",
                styled(WARN, "warning:"),
                printable(&warning.to_string())
            ));
        }
        let file = match &loaded.file {
            Some(file) => file.display().to_string(),
            None => format!("no file ({} does not exist)", config::DEFAULT_FILE),
        };
        let instances: Vec<&str> = loaded
            .settings
            .instances
            .keys()
            .map(String::as_str)
            .collect();
        let instances = if instances.is_empty() {
            "no instance: good for `expd hub` and `expd serve --embedded`".to_owned()
        } else {
            format!("instances: {}", instances.join(", "))
        };
        let access = match loaded.settings.access.len() {
            0 => "access: whoever may open the socket may do everything".to_owned(),
            1 => "access: 1 rule".to_owned(),
            rules => format!("access: {rules} rules"),
        };
        output::note(format_args!(
            "{} {}; {}; {access}",
            styled(GOOD, "no mistakes:"),
            printable(&file),
            printable(&instances)
        ));
        Ok(())
    }
}
