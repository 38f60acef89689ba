//! A log record that outlives the call that logged it. Its size is bounded and its text has no
//! hidden characters, whatever a library or a server put into it.

use std::borrow::Cow;
use std::fmt::Arguments;
use std::time::SystemTime;

use log::kv::{Error, Key, Value, VisitSource};
use log::{Level, Record};

use super::rate_limit::Suppressed;
use crate::journal::{EVENT, JournalEvent};
use expd_domain::quoted::{bounded, printable};

/// Maximum length of a sentence, in bytes.
const MAX_TEXT: usize = 4096;

/// Maximum length of a field's value, in bytes.
const MAX_VALUE: usize = 1024;

/// Maximum length of a field's key, in bytes.
const MAX_KEY: usize = 64;

/// Maximum number of fields.
const MAX_FIELDS: usize = 16;

/// A log record and its time.
pub(super) struct LogRecord {
    pub at: SystemTime,
    pub level: Level,
    pub target: String,
    pub text: String,
    pub event: Option<JournalEvent>,
    pub fields: Vec<(String, String)>,
    module: Option<&'static str>,
    file: Option<&'static str>,
    line: Option<u32>,
}

impl LogRecord {
    pub fn new(record: &Record<'_>, at: SystemTime) -> Self {
        let mut fields = RecordFields::default();
        // The visitor does not fail. A record whose own values fail keeps those read so far.
        record.key_values().visit(&mut fields).ok();
        Self {
            at,
            level: record.level(),
            target: record.target().to_owned(),
            // Escapes may make it several times as long, so it is bounded once more.
            text: bounded(printable(&bounded(record.args(), MAX_TEXT)), MAX_TEXT),
            event: fields.event,
            fields: fields.pairs,
            module: record.module_path_static(),
            file: record.file_static(),
            line: record.line(),
        }
    }

    /// A warning of the log itself.
    pub fn warning(text: Arguments<'_>) -> Self {
        let record = Record::builder()
            .level(Level::Warn)
            .target(module_path!())
            .module_path_static(Some(module_path!()))
            .file_static(Some(file!()))
            .args(text)
            .build();
        Self::new(&record, SystemTime::now())
    }

    /// The count of suppressed records.
    pub fn suppressed(suppressed: &Suppressed) -> Self {
        Self {
            at: SystemTime::now(),
            level: suppressed.level,
            target: suppressed.target.clone(),
            text: suppressed.text.clone(),
            event: suppressed.event,
            fields: suppressed.fields.clone(),
            module: None,
            file: None,
            line: None,
        }
    }

    /// Approximate size in memory, in bytes.
    pub fn size(&self) -> usize {
        let fields = self
            .fields
            .iter()
            .map(|(key, value)| key.len() + value.len());
        size_of::<Self>() + self.target.len() + self.text.len() + fields.sum::<usize>()
    }

    /// Calls `take` with the record as the journal gets it: its fields are named `EXP_…`, and its
    /// event is a `MESSAGE_ID`.
    pub fn with_journal_record<T>(&self, take: impl FnOnce(&Record<'_>) -> T) -> T {
        let event = self.event.into_iter().flat_map(|event| {
            let id = ("MESSAGE_ID".to_owned(), Cow::from(event.message_id()));
            [id, (format!("EXP_{EVENT}"), Cow::from(event.as_str()))]
        });
        let fields = self.fields.iter();
        let fields = fields.map(|(key, value)| (format!("EXP_{key}"), printable(value)));
        let fields: Vec<(String, Cow<'_, str>)> = event.chain(fields).collect();
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(key, value)| (&**key, &**value))
            .collect();
        take(
            &Record::builder()
                .level(self.level)
                .target(&self.target)
                .module_path_static(self.module)
                .file_static(self.file)
                .line(self.line)
                .key_values(&fields)
                .args(format_args!("{}", self.text))
                .build(),
        )
    }
}

#[derive(Default)]
struct RecordFields {
    event: Option<JournalEvent>,
    pairs: Vec<(String, String)>,
}

impl<'kvs> VisitSource<'kvs> for RecordFields {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        if key.as_str() == EVENT {
            self.event = JournalEvent::from_name(&bounded(value, MAX_KEY));
        } else if self.pairs.len() < MAX_FIELDS {
            let key = bounded(key, MAX_KEY);
            let value = bounded(value, MAX_VALUE);
            // A field without a value is left out: a caller over TCP has no process, say.
            if !value.is_empty() {
                self.pairs.push((key, value));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_logged_an_entry_is_short() {
        let long = "ä\n".repeat(1 << 20);
        let pairs: Vec<(&str, &str)> = vec![("why", long.as_str()); 100];
        let record = |arguments: std::fmt::Arguments<'_>| {
            let record = Record::builder().key_values(&pairs).args(arguments).build();
            LogRecord::new(&record, SystemTime::now())
        };
        let kept = record(format_args!("a server said {long}"));
        assert!(kept.size() < 24 * 1024, "{}", kept.size());
        assert!(kept.text.len() <= MAX_TEXT && kept.text.ends_with('…'));
        assert_eq!(kept.text.matches('\n').count(), 0);
    }

    #[test]
    fn the_journal_gets_it_with_fields_of_its_own() {
        let describe = |record: &Record<'_>| {
            let mut pairs = RecordFields::default();
            record.key_values().visit(&mut pairs).unwrap();
            format!(
                "{} {} {} {:?} {:?} {:?} {:?}",
                record.level(),
                record.target(),
                record.args(),
                record.module_path(),
                record.file(),
                record.line(),
                pairs.pairs
            )
        };
        let pairs: [(&str, &dyn std::fmt::Display); 3] =
            [("event", &"online"), ("instance", &"a b"), ("wait", &7)];
        let pairs = pairs.map(|(key, value)| (key, Value::from_dyn_display(value)));
        let record = |arguments: std::fmt::Arguments<'_>| {
            let record = Record::builder()
                .level(Level::Info)
                .target("expd::upstream")
                .module_path_static(Some("expd::upstream::link"))
                .file_static(Some("link.rs"))
                .line(Some(3))
                .key_values(&pairs)
                .args(arguments)
                .build();
            let kept = LogRecord::new(&record, SystemTime::now());
            assert!(kept.size() > 40);
            (describe(&record), kept.with_journal_record(describe))
        };
        let (logged, handed_over) = record(format_args!("logged in as {}", 5));
        let (own, _) = logged.split_once(" [").unwrap();
        let id = JournalEvent::Online.message_id();
        assert_eq!(
            handed_over,
            format!(
                r#"{own} [("MESSAGE_ID", "{id}"), ("EXP_event", "online"), ("EXP_instance", "a b"), ("EXP_wait", "7")]"#
            )
        );
    }
}
