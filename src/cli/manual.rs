//! `expd manual`: the manual pages, for packagers.

use std::path::PathBuf;

use clap::Args;

use super::failure::Failure;

/// Write the manual pages of all commands to a folder
///
/// The pages have the same text as the help. Packages run this once, at build time; for shells, see
/// `expd completions`.
#[derive(Debug, Args)]
#[command(
    hide = true,
    after_help = "\
Examples:
  expd manual target/man && man target/man/expd.1"
)]
pub(super) struct Manual {
    /// Folder; created if missing
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

impl Manual {
    pub(super) fn run(self, cli: clap::Command) -> Result<(), Failure> {
        let folder = self.folder;
        std::fs::create_dir_all(&folder)
            .and_then(|()| clap_mangen::generate_to(cli, &folder))
            .map_err(|error| {
                Failure::Failed(format!(
                    "cannot write the manual pages to {}: {error}; name a writable folder",
                    folder.display()
                ))
            })
    }
}
