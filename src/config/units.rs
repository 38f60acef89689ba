//! Durations and sizes in text: a number with a unit.

use std::time::Duration;

/// Parses `500ms`, `60s`, `1h`, `1h 30m`, `1d`.
///
/// # Errors
/// The text is not a duration.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let text = text.trim();
    if text != "0" && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(UnitError::Duration);
    }
    humantime::parse_duration(text).map_err(|_| UnitError::Duration)
}

/// Formats a duration in the form that [`parse_duration`] takes.
pub fn format_duration(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// Parses `4MiB`, `16MB`, `512KiB`, or a plain number of bytes. `KiB`, `MiB` and `GiB` are powers
/// of 1,024; `kB`, `KB`, `MB` and `GB` powers of 1,000.
///
/// # Errors
/// The text is not a size, or the size overflows.
pub fn parse_size(text: &str) -> Result<u64, UnitError> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor: u64 = match unit.trim_start() {
        "" | "B" => 1,
        "kB" | "KB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(UnitError::Size),
    };
    let number: u64 = number.parse().map_err(|_| UnitError::Size)?;
    number.checked_mul(factor).ok_or(UnitError::Size)
}

/// Formats a size in the form that [`parse_size`] takes.
pub fn format_size(bytes: u64) -> String {
    for (unit, factor) in [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if bytes >= factor && bytes.is_multiple_of(factor) {
            return format!("{}{unit}", bytes / factor);
        }
    }
    format!("{bytes}B")
}

/// Error of parsing a duration or size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Not a duration.
    #[error(
        "not a duration; write a number with a unit, as in \"500ms\", \"60s\", \"2m\", \"1h\" or \"1d\""
    )]
    Duration,
    /// Not a size.
    #[error("not a size; write a number with a unit, as in \"512KiB\", \"4MiB\" or \"16MB\"")]
    Size,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse_duration("1d"), Ok(Duration::from_secs(86_400)));
        assert_eq!(parse_duration(" 1h 30m "), Ok(Duration::from_secs(5400)));
        for wrong in ["60", "", "s", "-1s", "1 parsec", "99999999999999999999s"] {
            assert_eq!(parse_duration(wrong), Err(UnitError::Duration), "{wrong}");
        }
    }

    #[test]
    fn sizes_know_both_kinds_of_prefix() {
        assert_eq!(parse_size("4MiB"), Ok(4 << 20));
        assert_eq!(parse_size("16MB"), Ok(16_000_000));
        assert_eq!(parse_size("512 KiB"), Ok(512 << 10));
        assert_eq!(parse_size("77"), Ok(77));
        for wrong in ["", "MiB", "4mib", "1.5MiB", "-1", "99999999999GiB"] {
            assert_eq!(parse_size(wrong), Err(UnitError::Size), "{wrong}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for bytes in [0, 1, 1023, 1024, 4 << 20, 16_000_000] {
            assert_eq!(parse_size(&format_size(bytes)), Ok(bytes));
        }
        for millis in [1, 500, 60_000, 3_600_000, 5_400_000] {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }
    }
}
