//! A rate limit of log records: whoever can cause a record at will cannot fill the log with it.
//!
//! Records from one place in the code, and of one instance where they name one, are shown up to
//! [`MAX_SHOWN`] times within [`WINDOW`]. Further ones are counted, and the count is logged at the
//! end of the window. Records below `info` are exempt, and so are those about the daemon's start,
//! settings and end, which only its operator causes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use log::kv::Key;
use log::{Level, Record};

/// Number of records of one origin that are shown within [`WINDOW`].
const MAX_SHOWN: u32 = 60;

/// Time after which counting starts again.
const WINDOW: Duration = Duration::from_secs(60);

/// Maximum number of origins that are tracked. A few hundred places in the code log, each for
/// several instances.
const MAX_ORIGINS: usize = 4096;

/// Maximum number of characters that a count quotes of the last record.
const MAX_QUOTED: usize = 200;

/// Target of the records that only the operator causes.
const OPERATOR_TARGET: &str = "expd::daemon";

/// Counts of recent records by origin.
#[derive(Default)]
pub(super) struct RateLimit {
    origins: HashMap<Origin, Tally>,
    /// Number of origins with suppressed records.
    suppressing: usize,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Origin {
    target: String,
    file: Option<&'static str>,
    line: Option<u32>,
    instance: Option<String>,
}

struct Tally {
    since: Instant,
    shown: u32,
    suppressed: u64,
    level: Level,
    /// Text of the last suppressed record.
    last: String,
}

/// Decision on a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Show,
    /// Shown, with a note that further ones are suppressed.
    ShowLast,
    Suppress,
}

/// A count of suppressed records, to be logged.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Suppressed {
    pub level: Level,
    pub target: String,
    pub text: String,
}

impl RateLimit {
    /// Counts a record and decides on it.
    pub fn count(&mut self, record: &Record<'_>, now: Instant) -> Verdict {
        if record.level() > Level::Info || record.target().starts_with(OPERATOR_TARGET) {
            return Verdict::Show;
        }
        let origin = Origin {
            target: record.target().to_owned(),
            file: record.file_static(),
            line: record.line(),
            instance: record
                .key_values()
                .get(Key::from("instance"))
                .map(|name| name.to_string()),
        };
        if self.origins.len() >= MAX_ORIGINS && !self.origins.contains_key(&origin) {
            self.origins.clear();
            self.suppressing = 0;
        }
        let tally = self.origins.entry(origin).or_insert_with(|| Tally {
            since: now,
            shown: 0,
            suppressed: 0,
            level: record.level(),
            last: String::new(),
        });
        // Suppressed records keep their window until they were reported.
        if tally.suppressed == 0 && now.duration_since(tally.since) >= WINDOW {
            tally.since = now;
            tally.shown = 0;
        }
        if tally.shown < MAX_SHOWN {
            tally.shown += 1;
            return if tally.shown == MAX_SHOWN {
                Verdict::ShowLast
            } else {
                Verdict::Show
            };
        }
        if tally.suppressed == 0 {
            self.suppressing += 1;
        }
        tally.suppressed += 1;
        tally.level = record.level();
        tally.last = record.args().to_string().chars().take(MAX_QUOTED).collect();
        Verdict::Suppress
    }

    /// Takes the counts whose window is over, or all of them.
    pub fn due(&mut self, now: Instant, all: bool) -> Vec<Suppressed> {
        if self.suppressing == 0 {
            return Vec::new();
        }
        let mut due = Vec::new();
        for (origin, tally) in &mut self.origins {
            if tally.suppressed == 0 || !(all || now.duration_since(tally.since) >= WINDOW) {
                continue;
            }
            due.push(Suppressed {
                level: tally.level,
                target: origin.target.clone(),
                text: format!(
                    "{} similar records suppressed within {} s, the last: {}",
                    tally.suppressed,
                    now.duration_since(tally.since).as_secs(),
                    tally.last
                ),
            });
            tally.suppressed = 0;
            tally.shown = 0;
            tally.since = now;
            tally.last = String::new();
            self.suppressing = self.suppressing.saturating_sub(1);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(
        limit: &mut RateLimit,
        target: &str,
        text: &str,
        level: Level,
        now: Instant,
    ) -> Verdict {
        let mut record = |arguments: std::fmt::Arguments<'_>| {
            let record = Record::builder()
                .level(level)
                .target(target)
                .line(Some(7))
                .args(arguments)
                .build();
            limit.count(&record, now)
        };
        record(format_args!("{text}"))
    }

    #[test]
    fn a_flood_is_shown_for_a_while_and_then_counted() {
        let (mut limit, start) = (RateLimit::default(), Instant::now());
        let mut shown = 0;
        for turn in 0..1000 {
            let text = format!("refused {turn}");
            let verdict = count(&mut limit, "expd::hub", &text, Level::Info, start);
            shown += u32::from(verdict != Verdict::Suppress);
        }
        assert_eq!(shown, MAX_SHOWN);
        // Other origins are not affected.
        let other = count(&mut limit, "h2", "x", Level::Warn, start);
        assert_eq!(other, Verdict::Show);
        assert_eq!(limit.due(start, false), []);
        let later = start + WINDOW;
        let suppressed = Suppressed {
            level: Level::Info,
            target: "expd::hub".to_owned(),
            text: "940 similar records suppressed within 60 s, the last: refused 999".to_owned(),
        };
        assert_eq!(limit.due(later, false), [suppressed]);
        assert_eq!(limit.due(later, true), []);
        let again = count(&mut limit, "expd::hub", "x", Level::Info, later);
        assert_eq!(again, Verdict::Show);
    }

    #[test]
    fn a_steady_trickle_is_shown_whole_and_so_is_what_the_operator_does() {
        let (mut limit, start) = (RateLimit::default(), Instant::now());
        for turn in 0..10 * MAX_SHOWN {
            let now = start + turn * (WINDOW / MAX_SHOWN);
            let verdict = count(&mut limit, "expd::hub", "x", Level::Warn, now);
            assert_ne!(verdict, Verdict::Suppress, "{turn}");
        }
        for _ in 0..10 * MAX_SHOWN {
            for (target, level) in [("expd::daemon::reload", Level::Error), ("a", Level::Debug)] {
                assert_eq!(count(&mut limit, target, "x", level, start), Verdict::Show);
            }
        }
    }
}
