//! The time that bytes are given on a slow line.

use std::time::Duration;

/// The slowest line that is waited for, in bytes a second: a payload of 16 MB then has eight minutes.
const SLOWEST_LINE: usize = 32 << 10;

/// How long so many bytes take on the slowest line.
pub(in crate::upstream) fn line_time(bytes: usize) -> Duration {
    Duration::from_millis((bytes as u64).saturating_mul(1000) / SLOWEST_LINE as u64)
}
