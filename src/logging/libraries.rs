//! Forwards events that libraries log through `tracing`. `tracing`'s own forwarding to `log` also
//! creates every span in the path of a delivery, unused. This subscriber ignores spans, and
//! forwards events from `warn` up.

use std::fmt::{Debug, Write as _};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use expd_domain::quoted::bounded;

/// Forwards `tracing`'s events to the log.
pub(super) fn install() {
    // Fails if the process has a subscriber already, which then stays.
    tracing::subscriber::set_global_default(Libraries).ok();
}

/// The most verbose level that is forwarded.
const MAX_LEVEL: LevelFilter = LevelFilter::WARN;

/// Maximum length of a message, in bytes: a record keeps no more.
const MAX_MESSAGE: usize = 4096;

struct Libraries;

impl Subscriber for Libraries {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= MAX_LEVEL
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(MAX_LEVEL)
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let level = if *metadata.level() == Level::ERROR {
            log::Level::Error
        } else {
            log::Level::Warn
        };
        let mut message = Message(String::new());
        event.record(&mut message);
        log::log!(target: metadata.target(), level, "{}", message.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        // No span is enabled.
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// The message of an event, followed by its fields.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if self.0.len() > MAX_MESSAGE {
            return;
        }
        let value = bounded(format_args!("{value:?}"), MAX_MESSAGE);
        // Writing to a string does not fail.
        if field.name() == "message" {
            write!(self.0, "{value}").ok();
        } else {
            write!(self.0, " {}={value}", field.name()).ok();
        }
    }
}
