//! Rates of `expd top`: the growth of counts between two statuses.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use expd_client::{LimitHit, Status, WebPageStatus};

/// Counts at one moment, by their keys.
pub(super) struct Counts {
    at: Instant,
    values: BTreeMap<String, u64>,
}

impl Counts {
    /// The counts of a status.
    pub(super) fn of(status: &Status, at: Instant) -> Self {
        let values = counts(status);
        Self { at, values }
    }
}

/// Growth of counts between two moments.
pub(super) struct Rates<'c> {
    pub now: &'c Counts,
    pub before: Option<&'c Counts>,
}

impl Rates<'_> {
    /// Growth of a count per second; none if it was missing before.
    pub(super) fn of(&self, key: &str) -> Option<f64> {
        let before = self.before?;
        let grown = self
            .now
            .values
            .get(key)?
            .checked_sub(*before.values.get(key)?)?;
        let took = self.now.at.saturating_duration_since(before.at);
        if took < Duration::from_millis(1) {
            return None;
        }
        // Counts per second stay far below the largest exact integer of a double.
        #[expect(clippy::cast_precision_loss)]
        let grown = grown as f64;
        Some(grown / took.as_secs_f64())
    }

    /// The rate as text.
    pub(super) fn shown(&self, key: &str) -> String {
        self.of(key)
            .map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1}"))
    }
}

fn counts(status: &Status) -> BTreeMap<String, u64> {
    let mut values = BTreeMap::new();
    for hit in &status.limit_hits {
        values.insert(limit_key(hit), hit.count);
    }
    for it in &status.instances {
        let name = &it.instance;
        values.insert(format!("received {name}"), it.counters.broadcasts_received);
        values.insert(format!("sent {name}"), it.counters.broadcasts_sent);
        values.insert(format!("delivered {name}"), it.counters.deliveries);
        for channel in &it.channels {
            let key = format!("channel {name} {}", channel.channel);
            values.insert(key, channel.log_sequence);
        }
        for listener in &it.listeners {
            values.insert(format!("listener {}", listener.id), listener.delivered);
        }
    }
    for page in &status.web_pages {
        values.insert(page_key(page), page.delivered);
    }
    for app in &status.web_apps {
        values.insert(format!("app {}", app.app), app.delivered);
    }
    values
}

/// Key of an open page's count.
pub(super) fn page_key(page: &WebPageStatus) -> String {
    let since = page.since.map(|since| since.0);
    format!("page {} {} {since:?}", page.app, page.origin)
}

/// Key of a reached limit's count.
pub(super) fn limit_key(hit: &LimitHit) -> String {
    format!("limit {} {} {}", hit.limit, hit.user, hit.pid)
}
