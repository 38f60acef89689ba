//! Detection of wall clocks that have not been set.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Earliest plausible date, since the epoch: this program is younger.
const EARLIEST: Duration = Duration::from_secs(1_735_689_600);

/// True for a date before 2025, which only an unset wall clock shows.
#[must_use]
pub fn is_unset(date: SystemTime) -> bool {
    date < UNIX_EPOCH + EARLIEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_in_1970_or_before_is_not_set_and_one_of_today_is() {
        let year = Duration::from_secs(365 * 86_400);
        assert!(is_unset(UNIX_EPOCH) && is_unset(UNIX_EPOCH - year));
        assert!(is_unset(UNIX_EPOCH + 54 * year));
        assert!(!is_unset(SystemTime::now()));
    }
}
