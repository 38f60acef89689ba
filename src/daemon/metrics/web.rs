//! Metric families of the door for pages. They have no samples until a page has come.

use super::exposition::{Exposition, Kind};
use crate::pages::{AppCounts, Pages};

/// Name, help and source of a count of an app's pages.
type Count = (&'static str, &'static str, fn(&AppCounts) -> u64);

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

/// Adds the families, by app.
pub(super) fn add(text: &mut Exposition, pages: &Pages) {
    let apps = pages.apps();
    let open = pages.list();
    let of = |app| open.iter().filter(move |page| page.app == app);
    let mut family = text.family("expd_web_pages", Kind::Gauge, "Open pages.");
    for app in apps.keys() {
        family.sample(&[("app", app)], of(app.as_str()).count());
    }
    let mut family = text.family(
        "expd_web_page_behind_events",
        Kind::Gauge,
        "Events that the slowest open page has yet to receive.",
    );
    for app in apps.keys() {
        let behind = of(app.as_str()).map(|page| page.behind()).max();
        family.sample(&[("app", app)], behind.unwrap_or(0));
    }
    for (name, help, count) in COUNTS {
        let mut family = text.family(name, Kind::Counter, help);
        for (app, counts) in &apps {
            family.sample(&[("app", app)], count(counts));
        }
    }
}
