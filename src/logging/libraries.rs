//! What the libraries say by way of `tracing`. `tracing` can hand its records to `log` by itself, but then it makes every span that a
//! library names on the way of a delivery, for nobody; here spans are nothing, and events from `warn` up are heard.

use std::fmt::{Debug, Write as _};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use expd_domain::quoted::bounded;

/// Has `tracing`'s events go to the log. Where somebody in the process hears them already, that stays so.
pub(super) fn hear() {
    tracing::subscriber::set_global_default(Libraries).unwrap_or_default();
}

/// The most that is heard.
const MOST: LevelFilter = LevelFilter::WARN;

/// As much as a record keeps of what an event says, in bytes.
const ENOUGH: usize = 4096;

struct Libraries;

impl Subscriber for Libraries {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= MOST
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(MOST)
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let level = if *metadata.level() == Level::ERROR {
            log::Level::Error
        } else {
            log::Level::Warn
        };
        let mut words = Words(String::new());
        event.record(&mut words);
        log::log!(target: metadata.target(), level, "{}", words.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        // None is enabled.
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// The message of an event, and its fields after that.
struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if self.0.len() > ENOUGH {
            return;
        }
        let value = bounded(format_args!("{value:?}"), ENOUGH);
        // Writing to a text does not fail.
        if field.name() == "message" {
            write!(self.0, "{value}").ok();
        } else {
            write!(self.0, " {}={value}", field.name()).ok();
        }
    }
}
