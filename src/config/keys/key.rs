//! A key: its type, bounds, default and meaning.

use std::time::Duration;

/// The array of access rules, and the key that declares that there are none.
pub(in crate::config) const ACCESS: &str = "access";

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const KIB: u64 = 1 << 10;
pub(super) const MIB: u64 = 1 << 20;

/// One key.
#[derive(Debug)]
pub(in crate::config) struct Key {
    pub(in crate::config) section: &'static str,
    pub(in crate::config) name: &'static str,
    pub(in crate::config) value_type: ValueType,
    /// In TOML; empty if nothing is set by default.
    pub(in crate::config) default: &'static str,
    pub(in crate::config) meaning: &'static str,
}

/// Type of a value.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) enum ValueType {
    Text,
    /// A path to a file or folder.
    Path,
    Bool,
    Duration(Duration, Duration),
    /// A number of bytes.
    Size(u64, u64),
    Count(usize, usize),
    Address,
    LoopbackAddress,
    Mode,
    Choice(&'static [&'static str]),
    Url,
    Secret,
    Texts,
    /// A list of these words.
    Choices(&'static [&'static str]),
}
