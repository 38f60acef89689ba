//! Times for people: in UTC, or in this host's time zone.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use expd_client::Time;

/// The time zone in which times are shown.
#[derive(Clone, Debug)]
pub(super) struct Zone(Option<TimeZone>);

impl Zone {
    /// This host's zone (`TZ`, else `/etc/localtime`), or UTC.
    pub(super) fn new(local: bool) -> Self {
        Self(local.then(TimeZone::system))
    }

    /// The time of day, as in `12:03:05.120Z`; without the Z in the host's zone.
    pub(super) fn time_of_day(&self, time: Time) -> String {
        self.format(time, "%H:%M:%S%.3f", "%H:%M:%S%.3fZ")
    }

    /// Date and time, as in `2026-11-29T12:03:05.120Z` or `2026-11-29T13:03:05.120+01:00`.
    pub(super) fn moment(&self, time: Time) -> String {
        self.format(time, "%FT%H:%M:%S%.3f%:z", "%FT%H:%M:%S%.3fZ")
    }

    fn format(&self, time: Time, local: &str, utc: &str) -> String {
        let Ok(timestamp) = Timestamp::try_from(time.0) else {
            return time.to_string();
        };
        match &self.0 {
            Some(zone) => timestamp
                .to_zoned_datetime(zone.clone())
                .strftime(local)
                .to_string(),
            None => timestamp.strftime(utc).to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn times_have_milliseconds_and_say_their_zone() {
        let at = |nanos| Time(SystemTime::UNIX_EPOCH + Duration::new(3661, nanos));
        let utc = Zone::new(false);
        assert_eq!(utc.time_of_day(at(0)), "01:01:01.000Z");
        assert_eq!(utc.time_of_day(at(123_456_789)), "01:01:01.123Z");
        assert_eq!(utc.moment(at(120_000_000)), "1970-01-01T01:01:01.120Z");
        let east = TimeZone::fixed(jiff::tz::offset(2));
        let east = Zone(Some(east));
        assert_eq!(east.time_of_day(at(0)), "03:01:01.000");
        assert_eq!(east.moment(at(0)), "1970-01-01T03:01:01.000+02:00");
    }
}
