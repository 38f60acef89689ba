//! State of a file, by which changes are detected.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// State of a file; `None` for a missing one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileStamp(Option<(u64, u64, i64, i64)>);

impl FileStamp {
    pub(super) fn of(file: &Path) -> Self {
        let metadata = fs::metadata(file).ok();
        Self(metadata.map(|it| (it.ino(), it.len(), it.ctime(), it.ctime_nsec())))
    }
}
