//! A log record as one JSON object on a line, for collectors of container output.

use log::Level;
use serde_json::{Map, Value};

use super::record::LogRecord;
use crate::journal::EVENT;

/// `{"time":"…","level":"warn","message":"…","target":"expd::…","event":"offline",…}`
///
/// The fields of a record follow under their own names, all of them texts.
pub(super) fn format_json(record: &LogRecord) -> String {
    let time = humantime::format_rfc3339_millis(record.at).to_string();
    let mut object = Map::new();
    let mut set = |key: &str, value: &str| {
        object.insert(key.to_owned(), Value::from(value));
    };
    for (key, value) in &record.fields {
        set(key, value);
    }
    // Set last: no field takes their place.
    set("time", &time);
    set("level", level(record.level));
    set("message", &record.text);
    set("target", &record.target);
    if let Some(event) = record.event {
        set(EVENT, event.as_str());
        set("message_id", event.message_id());
    }
    let mut line = Value::Object(object).to_string();
    line.push('\n');
    line
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use log::Record;

    use super::*;
    use crate::journal::JournalEvent;

    #[test]
    fn a_record_is_one_object_on_one_line() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_738_324_800_042);
        let pairs = [
            ("event", JournalEvent::Offline.as_str()),
            ("instance", "a\nb"),
            ("message", "not this"),
        ];
        let record = Record::builder()
            .level(Level::Warn)
            .target("expd::upstream")
            .key_values(&pairs)
            .args(format_args!("offline: \"x\"\ny"))
            .build();
        let line = format_json(&LogRecord::new(&record, now));
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            read,
            serde_json::json!({
                "time": "2025-01-31T12:00:00.042Z",
                "level": "warn",
                "message": "offline: \"x\"\\ny",
                "target": "expd::upstream",
                "event": "offline",
                "message_id": JournalEvent::Offline.message_id(),
                "instance": "a\nb",
            })
        );
    }
}
