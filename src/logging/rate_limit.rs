//! Rate limit of log records, so that a client cannot fill the log with a record that it causes at
//! will.
//!
//! Records of one place in the code, and of one caller or instance if they name one, are shown up
//! to [`MAX_SHOWN`] times within [`WINDOW`], those that a caller causes up to
//! [`MAX_SHOWN_OF_CALLER`] times. Further ones are counted, and the count is logged at the end of
//! the window. Records below `info` are exempt, and so are those about the daemon's start, settings
//! and end, which only its operator causes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use log::kv::Key;
use log::{Level, Record};

use crate::journal::{EVENT, JournalEvent};

/// Number of records of one origin that are shown within [`WINDOW`].
const MAX_SHOWN: u32 = 60;

/// The same for records that name a caller, who may cause them at will.
const MAX_SHOWN_OF_CALLER: u32 = 10;

/// Keys of the fields that tell origins apart: the caller and the code of its error, or the
/// instance if there is no caller. A caller may name any instance, and would get as many records as
/// names.
const INSTANCE: &str = "instance";
const CALLER: [&str; 6] = ["peer_kind", "peer_uid", "peer_unit", "app", "token", "code"];

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
    origins: HashMap<RecordOrigin, Tally>,
    /// Number of origins with suppressed records.
    suppressing: usize,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct RecordOrigin {
    target: String,
    file: Option<&'static str>,
    line: Option<u32>,
    /// Values of [`CALLER`], or of [`INSTANCE`].
    fields: Vec<(&'static str, String)>,
}

struct Tally {
    since: Instant,
    shown: u32,
    suppressed: u64,
    level: Level,
    event: Option<JournalEvent>,
    /// Text of the last suppressed record.
    last: String,
}

/// Decision on a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecordDecision {
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
    pub event: Option<JournalEvent>,
    pub fields: Vec<(String, String)>,
}

impl RateLimit {
    /// Counts a record and decides on it.
    pub fn count(&mut self, record: &Record<'_>, now: Instant) -> RecordDecision {
        if record.level() > Level::Info || record.target().starts_with(OPERATOR_TARGET) {
            return RecordDecision::Show;
        }
        let field = |key: &'static str| {
            let value = record.key_values().get(Key::from(key))?.to_string();
            (!value.is_empty()).then_some((key, value))
        };
        let caller: Vec<_> = CALLER.into_iter().filter_map(field).collect();
        let names_caller = caller.iter().any(|(key, _)| key.starts_with("peer_"));
        let origin = RecordOrigin {
            target: record.target().to_owned(),
            file: record.file_static(),
            line: record.line(),
            fields: if names_caller {
                caller
            } else {
                field(INSTANCE).into_iter().chain(caller).collect()
            },
        };
        let most = if names_caller {
            MAX_SHOWN_OF_CALLER
        } else {
            MAX_SHOWN
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
            event: None,
            last: String::new(),
        });
        // Suppressed records keep their window until they are reported.
        if tally.suppressed == 0 && now.duration_since(tally.since) >= WINDOW {
            tally.since = now;
            tally.shown = 0;
        }
        if tally.shown < most {
            tally.shown += 1;
            return if tally.shown == most {
                RecordDecision::ShowLast
            } else {
                RecordDecision::Show
            };
        }
        if tally.suppressed == 0 {
            self.suppressing += 1;
        }
        tally.suppressed += 1;
        tally.level = record.level();
        let event = record.key_values().get(Key::from(EVENT));
        tally.event = event.and_then(|name| JournalEvent::from_name(&name.to_string()));
        tally.last = record.args().to_string().chars().take(MAX_QUOTED).collect();
        RecordDecision::Suppress
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
                event: tally.event,
                fields: owned(&origin.fields),
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

fn owned(fields: &[(&'static str, String)]) -> Vec<(String, String)> {
    let fields = fields.iter();
    fields
        .map(|(key, value)| ((*key).to_owned(), value.clone()))
        .collect()
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
    ) -> RecordDecision {
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
            let decision = count(&mut limit, "expd::hub", &text, Level::Info, start);
            shown += u32::from(decision != RecordDecision::Suppress);
        }
        assert_eq!(shown, MAX_SHOWN);
        // Other origins are not affected.
        let other = count(&mut limit, "h2", "x", Level::Warn, start);
        assert_eq!(other, RecordDecision::Show);
        assert_eq!(limit.due(start, false), []);
        let later = start + WINDOW;
        let suppressed = Suppressed {
            level: Level::Info,
            target: "expd::hub".to_owned(),
            text: "940 similar records suppressed within 60 s, the last: refused 999".to_owned(),
            event: None,
            fields: Vec::new(),
        };
        assert_eq!(limit.due(later, false), [suppressed]);
        assert_eq!(limit.due(later, true), []);
        let again = count(&mut limit, "expd::hub", "x", Level::Info, later);
        assert_eq!(again, RecordDecision::Show);
    }

    #[test]
    fn one_caller_cannot_hide_what_another_does() {
        let (mut limit, start) = (RateLimit::default(), Instant::now());
        let mut count = |uid: &str| {
            let pairs = [
                ("event", "access-denied"),
                ("peer_uid", uid),
                ("peer_unit", ""),
            ];
            let record = Record::builder()
                .level(Level::Warn)
                .target("expd::rpc")
                .line(Some(7))
                .key_values(&pairs)
                .args(format_args!("refused"))
                .build();
            limit.count(&record, start)
        };
        let shown = (0..1000)
            .filter(|_| count("7") != RecordDecision::Suppress)
            .count();
        assert_eq!(u32::try_from(shown).unwrap(), MAX_SHOWN_OF_CALLER);
        assert_eq!(count("8"), RecordDecision::Show);
        let due = limit.due(start + WINDOW, false);
        let [suppressed] = &due[..] else {
            panic!("{due:?}")
        };
        assert_eq!(suppressed.event, Some(JournalEvent::AccessDenied));
        assert_eq!(suppressed.fields, [("peer_uid".to_owned(), "7".to_owned())]);
    }

    #[test]
    fn a_steady_trickle_is_shown_whole_and_so_is_what_the_operator_does() {
        let (mut limit, start) = (RateLimit::default(), Instant::now());
        for turn in 0..10 * MAX_SHOWN {
            let now = start + turn * (WINDOW / MAX_SHOWN);
            let decision = count(&mut limit, "expd::hub", "x", Level::Warn, now);
            assert_ne!(decision, RecordDecision::Suppress, "{turn}");
        }
        for _ in 0..10 * MAX_SHOWN {
            for (target, level) in [("expd::daemon::reload", Level::Error), ("a", Level::Debug)] {
                assert_eq!(
                    count(&mut limit, target, "x", level, start),
                    RecordDecision::Show
                );
            }
        }
    }
}
