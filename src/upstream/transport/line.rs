//! Time allowed for bytes on a slow line.

use std::time::Duration;

/// The slowest line that is supported, in bytes per second: a payload of 16 MB has eight minutes.
const SLOWEST_LINE: usize = 32 << 10;

/// Time that `bytes` take on the slowest line.
pub(in crate::upstream) fn line_time(bytes: usize) -> Duration {
    Duration::from_millis((bytes as u64).saturating_mul(1000) / SLOWEST_LINE as u64)
}
