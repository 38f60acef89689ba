//! Lifetimes of tokens, which setting the wall clock neither ends nor extends.
//!
//! A machine without a battery-backed clock boots in 1970 or with the date of its image, and the
//! network sets the clock later. Within the boot that a token was issued in, the time since boot
//! decides, which cannot be set. A token that outlives its boot has only its date: it is valid
//! while the clock shows a plausible time, and its client logs in again if the clock is not set, or
//! if the remaining life exceeds that of any issued token.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use expd_domain::clock::is_unset;

const DAY: i64 = 24 * 60 * 60 * 1000;

/// One reading of the clocks.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    /// Milliseconds since the epoch, by the wall clock.
    wall: i64,
    /// Milliseconds since boot, sleep included.
    since_boot: i64,
    /// Identifies the boot, as a number that reveals nothing about the machine.
    boot: u64,
}

impl Clocks {
    pub fn now() -> Self {
        static BOOT: OnceLock<u64> = OnceLock::new();
        let wall = SystemTime::now().duration_since(UNIX_EPOCH);
        // Every supported Linux has this clock.
        let since_boot = clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from);
        Self {
            wall: wall.map_or(0, millis),
            since_boot: millis(since_boot.unwrap_or_default()),
            boot: *BOOT.get_or_init(boot),
        }
    }
}

/// End of a token's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenLife {
    /// The date, in milliseconds since the epoch by the wall clock at the time of issue.
    pub expiration: i64,
    /// The time since boot; `None` in tokens of earlier versions.
    pub boot: Option<BootEnd>,
}

/// End of a token's life within the boot that it was issued in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootEnd {
    #[serde(rename = "id")]
    boot: u64,
    /// Milliseconds since boot.
    until: i64,
}

impl TokenLife {
    /// A life that begins now.
    pub fn begin(lifetime: Duration, now: Clocks) -> Self {
        let lifetime = millis(lifetime);
        Self {
            expiration: now.wall.saturating_add(lifetime),
            boot: Some(BootEnd {
                boot: now.boot,
                until: now.since_boot.saturating_add(lifetime),
            }),
        }
    }

    /// A life that ends at midnight, between `days` days less one and `days` from now: the same for
    /// all that begin on one day of one boot, unless the clock is set.
    pub fn begin_with_the_day(days: i64, now: Clocks) -> Self {
        let end_of = |time: i64| time.div_euclid(DAY).saturating_add(1).saturating_mul(DAY);
        let expiration = end_of(now.wall).saturating_add((days - 1) * DAY);
        let left = expiration.saturating_sub(now.wall);
        Self {
            expiration,
            // In whole days, since the two clocks drift apart by milliseconds.
            boot: Some(BootEnd {
                boot: now.boot,
                until: end_of(now.since_boot.saturating_add(left)),
            }),
        }
    }

    /// Remaining time of a life of at most `longest`; zero once it has ended.
    pub fn left(self, longest: Duration, now: Clocks) -> Duration {
        let left = match self.boot {
            Some(end) if end.boot == now.boot => end.until.saturating_sub(now.since_boot),
            _ => self.left_by_date(longest, now),
        };
        Duration::from_millis(u64::try_from(left).unwrap_or(0))
    }

    fn left_by_date(self, longest: Duration, now: Clocks) -> i64 {
        let left = self.expiration.saturating_sub(now.wall);
        let wall = Duration::from_millis(u64::try_from(now.wall).unwrap_or(0));
        if left > millis(longest) || is_unset(UNIX_EPOCH + wall) {
            return 0;
        }
        left
    }
}

/// The number of this boot.
fn boot() -> u64 {
    let id = std::fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_else(|_| {
        // Without the boot ID, a restart of the process looks like a reboot: then the date decides.
        rand::random::<[u8; 16]>().to_vec()
    });
    let digest = Sha256::new()
        .chain_update("expd boot")
        .chain_update(id)
        .finalize();
    let first = digest.iter().take(8);
    first.fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// A date in 2026.
    const NOW: i64 = 1_790_000_000_000;

    fn at(boot: u64, wall: i64, minutes: i64) -> Clocks {
        Clocks {
            wall,
            since_boot: minutes * 60_000,
            boot,
        }
    }

    fn minutes(left: Duration) -> u64 {
        left.as_secs() / 60
    }

    #[test]
    fn setting_the_clock_neither_ends_nor_extends_a_life() {
        for issued_at in [60_000, NOW] {
            let life = TokenLife::begin(HOUR, at(1, issued_at, 5));
            for wall in [0, 70_000, NOW - 9 * DAY, NOW, NOW + 9 * DAY] {
                assert_eq!(minutes(life.left(HOUR, at(1, wall, 6))), 59, "{wall}");
                assert_eq!(minutes(life.left(HOUR, at(1, wall, 64))), 1, "{wall}");
                assert_eq!(life.left(HOUR, at(1, wall, 65)), Duration::ZERO, "{wall}");
            }
        }
    }

    #[test]
    fn after_a_reboot_the_date_decides_where_it_can() {
        let life = TokenLife::begin(HOUR, at(1, NOW, 500));
        let left = |wall| minutes(life.left(HOUR, at(2, wall, 1)));
        assert_eq!(left(NOW + 20 * 60_000), 40);
        assert_eq!(left(NOW + 60 * 60_000), 0);
        // An unset clock that is behind: the age of the token is unknown.
        assert_eq!(left(60_000), 0);
        assert_eq!(left(NOW - 60_000), 0);
        let in_1970 = TokenLife::begin(HOUR, at(1, 60_000, 1));
        assert_eq!(in_1970.left(HOUR, at(2, 60_000, 1)), Duration::ZERO);
        assert_eq!(in_1970.left(HOUR, at(2, NOW, 1)), Duration::ZERO);
    }

    #[test]
    fn a_token_of_an_earlier_version_has_its_date() {
        let life = TokenLife {
            expiration: NOW + 60_000,
            boot: None,
        };
        assert_eq!(minutes(life.left(HOUR, at(1, NOW, 1))), 1);
        assert_eq!(life.left(HOUR, at(1, NOW + 60_000, 1)), Duration::ZERO);
    }

    #[test]
    fn lives_that_begin_on_one_day_are_the_same_and_of_thirty_days_or_more() {
        let midnight = NOW - NOW % DAY;
        let life = |wall, minutes| TokenLife::begin_with_the_day(31, at(1, wall, minutes));
        let month = 31 * 24 * HOUR;
        let first = life(midnight, 5);
        assert_eq!(first.expiration, midnight + 31 * DAY);
        // The clocks have drifted apart by 40 ms.
        assert_eq!(first, life(midnight + 600 * 60_000 + 40, 605));
        let last = midnight + DAY - 1;
        assert!(life(last, 1444).left(month, at(1, last, 1444)) >= 30 * 24 * HOUR);
        assert_ne!(first, life(midnight + DAY, 1445));
        // In 1970; the clock is set a minute later.
        let early = life(60_000, 1);
        assert!(early.left(month, at(1, NOW, 2)) > 30 * 24 * HOUR);
        assert_eq!(early.left(month, at(1, NOW, 33 * 1440)), Duration::ZERO);
        assert_eq!(early.left(month, at(2, NOW, 2)), Duration::ZERO);
    }

    #[test]
    fn the_clocks_of_this_machine_run_on_in_one_boot() {
        let (before, after) = (Clocks::now(), Clocks::now());
        assert_eq!(before.boot, after.boot);
        assert!(before.since_boot <= after.since_boot && after.wall > 0);
        let life = TokenLife::begin(HOUR, before);
        assert!(life.left(HOUR, after) > HOUR / 2);
    }
}
