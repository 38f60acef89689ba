//! A bound on how often one thing is said: whoever can cause a record at will cannot fill the log
//! with it.
//!
//! Records of one place in the code, and of one instance where they name one, are shown up to
//! [`MOST`] times within [`WINDOW`]. Then they are counted, and the count is told once the time is
//! over. Below `info` nothing is held back, and neither is what the daemon says of its start, its
//! settings and its end, which only its operator causes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use log::kv::Key;
use log::{Level, Record};

/// Records of a kind that are shown within [`WINDOW`].
const MOST: u32 = 60;

/// The time after which the count begins anew.
const WINDOW: Duration = Duration::from_secs(60);

/// The kinds that are remembered. The code has some hundred places that log, times its instances.
const MOST_KINDS: usize = 4096;

/// The characters of a record that a count repeats.
const REPEATED: usize = 200;

/// The target of records that the operator alone causes.
const OPERATORS: &str = "expd::daemon";

/// The records of late, counted by kind.
#[derive(Default)]
pub(super) struct Limit {
    kinds: HashMap<Kind, Said>,
    /// Kinds that have records held back.
    holding: usize,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Kind {
    target: String,
    file: Option<&'static str>,
    line: Option<u32>,
    instance: Option<String>,
}

struct Said {
    since: Instant,
    shown: u32,
    held: u64,
    level: Level,
    /// The text of the last one that was held back.
    last: String,
}

/// The fate of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Show,
    /// To be shown, and that further ones are held back.
    ShowAsLast,
    Hold,
}

/// Records that were held back, to be told of.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub level: Level,
    pub target: String,
    pub text: String,
}

impl Limit {
    /// Counts a record.
    pub fn count(&mut self, record: &Record<'_>, now: Instant) -> Verdict {
        if record.level() > Level::Info || record.target().starts_with(OPERATORS) {
            return Verdict::Show;
        }
        let kind = Kind {
            target: record.target().to_owned(),
            file: record.file_static(),
            line: record.line(),
            instance: record
                .key_values()
                .get(Key::from("instance"))
                .map(|name| name.to_string()),
        };
        if self.kinds.len() >= MOST_KINDS && !self.kinds.contains_key(&kind) {
            self.kinds.clear();
            self.holding = 0;
        }
        let said = self.kinds.entry(kind).or_insert_with(|| Said {
            since: now,
            shown: 0,
            held: 0,
            level: record.level(),
            last: String::new(),
        });
        // What is held back keeps its time until it was told of.
        if said.held == 0 && now.duration_since(said.since) >= WINDOW {
            said.since = now;
            said.shown = 0;
        }
        if said.shown < MOST {
            said.shown += 1;
            return if said.shown == MOST {
                Verdict::ShowAsLast
            } else {
                Verdict::Show
            };
        }
        if said.held == 0 {
            self.holding += 1;
        }
        said.held += 1;
        said.level = record.level();
        said.last = record.args().to_string().chars().take(REPEATED).collect();
        Verdict::Hold
    }

    /// The counts of records that were held back for long enough, or at all.
    pub fn due(&mut self, now: Instant, all: bool) -> Vec<Held> {
        if self.holding == 0 {
            return Vec::new();
        }
        let mut due = Vec::new();
        for (kind, said) in &mut self.kinds {
            if said.held == 0 || !(all || now.duration_since(said.since) >= WINDOW) {
                continue;
            }
            due.push(Held {
                level: said.level,
                target: kind.target.clone(),
                text: format!(
                    "{} more records of this kind within {} s, the last: {}",
                    said.held,
                    now.duration_since(said.since).as_secs(),
                    said.last
                ),
            });
            said.held = 0;
            said.shown = 0;
            said.since = now;
            said.last = String::new();
            self.holding = self.holding.saturating_sub(1);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(limit: &mut Limit, target: &str, text: &str, level: Level, now: Instant) -> Verdict {
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
        let (mut limit, start) = (Limit::default(), Instant::now());
        let mut shown = 0;
        for turn in 0..1000 {
            let text = format!("refused {turn}");
            let verdict = count(&mut limit, "expd::hub", &text, Level::Info, start);
            shown += u32::from(verdict != Verdict::Hold);
        }
        assert_eq!(shown, MOST);
        // Others are not concerned.
        let other = count(&mut limit, "h2", "x", Level::Warn, start);
        assert_eq!(other, Verdict::Show);
        assert_eq!(limit.due(start, false), []);
        let later = start + WINDOW;
        let held = Held {
            level: Level::Info,
            target: "expd::hub".to_owned(),
            text: "940 more records of this kind within 60 s, the last: refused 999".to_owned(),
        };
        assert_eq!(limit.due(later, false), [held]);
        assert_eq!(limit.due(later, true), []);
        let again = count(&mut limit, "expd::hub", "x", Level::Info, later);
        assert_eq!(again, Verdict::Show);
    }

    #[test]
    fn a_steady_trickle_is_shown_whole_and_so_is_what_the_operator_does() {
        let (mut limit, start) = (Limit::default(), Instant::now());
        for turn in 0..10 * MOST {
            let now = start + turn * (WINDOW / MOST);
            let verdict = count(&mut limit, "expd::hub", "x", Level::Warn, now);
            assert_ne!(verdict, Verdict::Hold, "{turn}");
        }
        for _ in 0..10 * MOST {
            for (target, level) in [("expd::daemon::reload", Level::Error), ("a", Level::Debug)] {
                assert_eq!(count(&mut limit, target, "x", level, start), Verdict::Show);
            }
        }
    }
}
