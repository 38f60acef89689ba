//! `expd check-config`: finds mistakes in the settings before the daemon does.

use std::path::PathBuf;

use clap::Args;

use super::failure::Failure;
use super::output::{self, GOOD, WARN, printable, styled};
use super::settings;
use super::unit_view::{CredentialFolder, UnitView};
use crate::config::{self, Loaded};

/// Check the settings, and report every mistake at once
///
/// Reads the settings as `expd serve` does: the file, the environment (`EXPD__SECTION__KEY`) and
/// systemd's credentials. Reports each mistake with its line and the remedy. Starts nothing.
///
/// With --unit, checks what the service will see: the unit's environment and credentials instead of
/// this shell's, and its user, for whom a file that only root can read is a mistake. Run that as
/// root.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  expd check-config
  expd check-config --unit expd                      as the service will see it
  expd check-config --config ./expd.toml")]
pub(super) struct CheckConfig {
    /// Settings file [default: /etc/expd/expd.toml if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Check as this systemd unit: its name, or the path of its file
    #[arg(long, value_name = "UNIT")]
    unit: Option<String>,
}

impl CheckConfig {
    pub(super) fn run(self) -> Result<(), Failure> {
        let loaded = match &self.unit {
            None => settings::load(self.config)?,
            Some(unit) => load_for(unit, self.config)?,
        };
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
            "no instance: enough for `expd hub` and `expd serve --embedded`".to_owned()
        } else {
            format!("instances: {}", instances.join(", "))
        };
        let access = match loaded.settings.access.len() {
            0 => "access: everyone who may open the socket may do everything".to_owned(),
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

/// Reads the settings as the unit's service will, and reports every mistake.
fn load_for(unit: &str, file: Option<PathBuf>) -> Result<Loaded, Failure> {
    let mut view = UnitView::read(unit)?;
    let folder = CredentialFolder::new().map_err(no_folder)?;
    let source = view.source(folder.path(), file).map_err(no_folder)?;
    let faults = view.take_faults(&source);
    let loaded = settings::load_from(&source);
    for fault in &faults {
        output::error(fault);
    }
    match (loaded, faults.len()) {
        (loaded, 0) => loaded,
        (_, 1) => Err(Failure::Failed("1 mistake for the unit".to_owned())),
        (_, count) => Err(Failure::Failed(format!("{count} mistakes for the unit"))),
    }
}

fn no_folder(source: std::io::Error) -> Failure {
    Failure::System {
        what: "lay out the unit's credentials",
        source,
    }
}
