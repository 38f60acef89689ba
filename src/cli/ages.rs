//! Durations and ages for people: the two largest units, as in `1h 30m`.

use std::time::{Duration, SystemTime};

use expd_client::Time;

/// Formats a duration in its two largest units.
pub(super) fn rough(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, minutes) => format!("{minutes}m {}s", seconds % 60),
        (0, hours, minutes) => format!("{hours}h {minutes}m"),
        (days, hours, _) => format!("{days}d {hours}h"),
    }
}

/// Time since `time`; 0s if it is in the future.
pub(super) fn since(time: Time, now: SystemTime) -> String {
    rough(now.duration_since(time.0).unwrap_or_default())
}

/// Time until `time`, as in `in 3s`.
pub(super) fn until(time: Time, now: SystemTime) -> String {
    match time.0.duration_since(now) {
        Ok(left) => format!("in {}", rough(left)),
        Err(_) => "now".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_shown_in_its_two_largest_units() {
        for (seconds, shown) in [
            (0, "0s"),
            (59, "59s"),
            (61, "1m 1s"),
            (3_660, "1h 1m"),
            (90_000, "1d 1h"),
        ] {
            assert_eq!(rough(Duration::from_secs(seconds)), shown);
        }
    }
}
