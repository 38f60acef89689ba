//! A record that outlives the call that logged it. Whatever a library or a server put into it, it is of a bounded size, and its
//! sentence has no hidden characters.

use std::borrow::Cow;
use std::fmt::Arguments;
use std::time::SystemTime;

use log::kv::{Error, Key, Value, VisitSource};
use log::{Level, Record};

use super::limit::Held;
use expd_domain::quoted::{bounded, printable};

/// The longest sentence, in bytes.
const LONGEST_TEXT: usize = 4096;

/// The longest value of a field, and the longest key, in bytes.
const LONGEST_VALUE: usize = 1024;
const LONGEST_KEY: usize = 64;

/// The most fields.
const MOST_PAIRS: usize = 16;

/// What a record says, and when it was logged.
pub(super) struct Entry {
    pub at: SystemTime,
    pub level: Level,
    pub target: String,
    pub text: String,
    pub pairs: Vec<(String, String)>,
    module: Option<&'static str>,
    file: Option<&'static str>,
    line: Option<u32>,
}

impl Entry {
    pub fn new(record: &Record<'_>, at: SystemTime) -> Self {
        let mut pairs = Pairs(Vec::new());
        // The visitor does not fail, and a record that does would have nobody to tell.
        record.key_values().visit(&mut pairs).ok();
        Self {
            at,
            level: record.level(),
            target: record.target().to_owned(),
            // Escaped, it may be some times as long: it is held to the bound once more.
            text: bounded(
                printable(&bounded(record.args(), LONGEST_TEXT)),
                LONGEST_TEXT,
            ),
            pairs: pairs.0,
            module: record.module_path_static(),
            file: record.file_static(),
            line: record.line(),
        }
    }

    /// A warning of the log's own, now.
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

    /// The count of records that were held back.
    pub fn held(held: &Held) -> Self {
        Self {
            at: SystemTime::now(),
            level: held.level,
            target: held.target.clone(),
            text: held.text.clone(),
            pairs: Vec::new(),
            module: None,
            file: None,
            line: None,
        }
    }

    /// About how much memory it takes, in bytes.
    pub fn size(&self) -> usize {
        let pairs = self
            .pairs
            .iter()
            .map(|(key, value)| key.len() + value.len());
        size_of::<Self>() + self.target.len() + self.text.len() + pairs.sum::<usize>()
    }

    /// Hands it over as the record that it was.
    pub fn with_record<T>(&self, take: impl FnOnce(&Record<'_>) -> T) -> T {
        let pairs = self.pairs.iter();
        let pairs: Vec<(&str, Cow<'_, str>)> = pairs
            .map(|(key, value)| (&**key, printable(value)))
            .collect();
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(key, value)| (*key, &**value)).collect();
        take(
            &Record::builder()
                .level(self.level)
                .target(&self.target)
                .module_path_static(self.module)
                .file_static(self.file)
                .line(self.line)
                .key_values(&pairs)
                .args(format_args!("{}", self.text))
                .build(),
        )
    }
}

struct Pairs(Vec<(String, String)>);

impl<'kvs> VisitSource<'kvs> for Pairs {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        if self.0.len() < MOST_PAIRS {
            let key = bounded(key, LONGEST_KEY);
            self.0.push((key, bounded(value, LONGEST_VALUE)));
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
            Entry::new(&record, SystemTime::now())
        };
        let entry = record(format_args!("a server said {long}"));
        assert!(entry.size() < 24 * 1024, "{}", entry.size());
        assert!(entry.text.len() <= LONGEST_TEXT && entry.text.ends_with('…'));
        assert_eq!(entry.text.matches('\n').count(), 0);
    }

    #[test]
    fn it_is_handed_over_as_it_was_logged() {
        let told = |record: &Record<'_>| {
            let mut pairs = Pairs(Vec::new());
            record.key_values().visit(&mut pairs).unwrap();
            format!(
                "{} {} {} {:?} {:?} {:?} {:?}",
                record.level(),
                record.target(),
                record.args(),
                record.module_path(),
                record.file(),
                record.line(),
                pairs.0
            )
        };
        let pairs: [(&str, &dyn std::fmt::Display); 2] = [("instance", &"a b"), ("wait", &7)];
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
            let entry = Entry::new(&record, SystemTime::now());
            assert!(entry.size() > 40);
            (told(&record), entry.with_record(told))
        };
        let (logged, handed_over) = record(format_args!("logged in as {}", 5));
        assert_eq!(logged, handed_over);
        assert!(
            logged.contains("(\"instance\", \"a b\"), (\"wait\", \"7\")"),
            "{logged}"
        );
    }
}
