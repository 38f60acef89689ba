//! Metric families of the door for pages. They have no samples before the first page.

use std::sync::Arc;

use super::exposition::{Exposition, MetricKind};
use crate::pages::{PageCounts, PageInfo, Pages};

/// Name, help and source of a count of pages.
type Count = (&'static str, &'static str, fn(&PageCounts) -> u64);

const COUNTS: [Count; 4] = [
    (
        "expd_web_sockets_total",
        "Live sockets that pages opened.",
        |counts| counts.opened,
    ),
    (
        "expd_web_deliveries_total",
        "Broadcasts delivered, summed over pages.",
        |counts| counts.delivered,
    ),
    (
        "expd_web_cuts_total",
        "Sockets closed because the page did not read, or because something could not be delivered.",
        |counts| counts.cut,
    ),
    (
        "expd_web_refused_total",
        "Handshakes refused because EXP was away, or because something had been missed.",
        |counts| counts.refused,
    ),
];

/// Adds the families, by app and origin.
pub(super) fn add(text: &mut Exposition, pages: &Pages) {
    let apps = pages.apps();
    let open = pages.list();
    let rows: Vec<((&str, &str), &PageCounts)> = apps
        .iter()
        .flat_map(|(app, of_app)| {
            let origins = of_app.origins.iter();
            origins.map(move |(origin, counts)| ((app.as_str(), origin.as_str()), counts))
        })
        .collect();
    let mut family = text.family("expd_web_pages", MetricKind::Gauge, "Open pages.");
    for (page, _) in &rows {
        family.sample(&labels(page), of(&open, *page).count());
    }
    let mut family = text.family(
        "expd_web_page_behind_events",
        MetricKind::Gauge,
        "Events that the slowest open page has yet to receive.",
    );
    for (page, _) in &rows {
        let behind = of(&open, *page).map(|page| page.behind()).max();
        family.sample(&labels(page), behind.unwrap_or(0));
    }
    for (name, help, count) in COUNTS {
        let mut family = text.family(name, MetricKind::Counter, help);
        for (page, counts) in &rows {
            family.sample(&labels(page), count(counts));
        }
    }
}

/// The open pages of an app and origin.
fn of<'a>(
    open: &'a [Arc<PageInfo>],
    (app, origin): (&'a str, &'a str),
) -> impl Iterator<Item = &'a Arc<PageInfo>> {
    let pages = open.iter();
    pages.filter(move |page| page.app == app && page.origin == origin)
}

fn labels<'a>((app, origin): &(&'a str, &'a str)) -> [(&'static str, &'a str); 2] {
    [("app", app), ("origin", origin)]
}
