//! Targets of log records: the room of one of our own, or the library it comes from.

use log::{LevelFilter, Metadata};

/// First segment of every target of our own.
const OWN: &str = "expd";

/// The most verbose level at which libraries are logged.
const LIBRARIES: LevelFilter = LevelFilter::Warn;

/// True if a record is logged at this level. Libraries stay at [`LIBRARIES`] whatever the level:
/// below it they print URLs and headers, which hold tokens.
pub(super) fn is_enabled(metadata: &Metadata<'_>, level: LevelFilter) -> bool {
    let most = if room(metadata.target()).is_some() {
        level
    } else {
        level.min(LIBRARIES)
    };
    metadata.level() <= most
}

/// The room of a record of our own; `None` for a library's record.
pub(super) fn room(target: &str) -> Option<&str> {
    let rest = target.strip_prefix(OWN)?;
    if rest.is_empty() {
        return Some(OWN);
    }
    // The other crates of the workspace count as rooms.
    rest.strip_prefix("::").or_else(|| rest.strip_prefix('_'))
}

/// The library that a record comes from; `None` for a record of our own.
pub(super) fn library(target: &str) -> Option<&str> {
    match room(target) {
        Some(_) => None,
        None => target.split("::").next(),
    }
}

#[cfg(test)]
mod tests {
    use log::Level;

    use super::*;

    #[test]
    fn libraries_are_never_heard_below_warn() {
        let heard = |target: &str, record: Level, level: LevelFilter| {
            let metadata = Metadata::builder().level(record).target(target).build();
            is_enabled(&metadata, level)
        };
        for library in [
            "tungstenite",
            "rust_engineio::asynchronous",
            "hyper_util",
            "expdx",
        ] {
            assert!(!heard(library, Level::Info, LevelFilter::Trace));
            assert!(heard(library, Level::Warn, LevelFilter::Trace));
            assert!(!heard(library, Level::Warn, LevelFilter::Error));
        }
        assert!(heard("expd::router", Level::Trace, LevelFilter::Trace));
        assert!(heard("expd_hub::server", Level::Trace, LevelFilter::Trace));
        assert!(!heard("expd::router", Level::Debug, LevelFilter::Info));
    }

    #[test]
    fn a_library_is_named_by_its_crate() {
        assert_eq!(library("h2::proto::streams"), Some("h2"));
        assert_eq!(library("expd::router"), None);
        assert_eq!(library("expd_hub"), None);
    }
}
