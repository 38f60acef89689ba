//! Settings for commands that run without a daemon.

use std::path::PathBuf;

use super::failure::Failure;
use super::output;
use crate::config::{self, Loaded, Source};

/// Reads the settings; reports every mistake in them to standard error.
pub(super) fn load(file: Option<PathBuf>) -> Result<Loaded, Failure> {
    load_from(&Source::from_process(file))
}

/// As [`load`], from any sources.
pub(super) fn load_from(source: &Source) -> Result<Loaded, Failure> {
    config::load(source).map_err(|errors| {
        for mistake in errors.mistakes() {
            output::error(mistake);
        }
        Failure::Failed(match errors.mistakes().len() {
            1 => "1 mistake in the settings".to_owned(),
            count => format!("{count} mistakes in the settings"),
        })
    })
}
