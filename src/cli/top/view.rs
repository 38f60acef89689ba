//! The lines of `expd top`: plain text, so that any terminal shows them.

use std::time::{Instant, SystemTime};

use super::rates::{Counts, Rates, limit_key, page_key};
use crate::cli::ages;
use crate::cli::output::printable;
use crate::cli::programs::{clipped, program, refused_program};
use expd_client::{InstanceStatus, LinkState, Status};

/// Width of the lines, in columns.
pub(super) const WIDTH: usize = 80;

/// A line of text, bold or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) is_bold: bool,
}

/// Renders each status as lines, with the rates since the previous one.
#[derive(Default)]
pub(super) struct View {
    before: Option<Counts>,
}

impl View {
    /// The lines for a status.
    pub(super) fn lines(&mut self, status: &Status, wall: SystemTime, now: Instant) -> Vec<Line> {
        let counts = Counts::of(status, now);
        let rates = Rates {
            now: &counts,
            before: self.before.as_ref(),
        };
        let up = status.started_at.map(|at| ages::since(at, wall));
        let listeners: usize = status.instances.iter().map(|it| it.listeners.len()).sum();
        let open_pages = match status.web_apps.len() {
            0 => String::new(),
            _ => format!("  {} pages", status.web_pages.len()),
        };
        let mut lines = vec![plain(format!(
            "expd {}  up {}  {} instances  {listeners} listeners{open_pages}",
            printable(&status.version),
            up.unwrap_or_else(|| "?".to_owned()),
            status.instances.len(),
        ))];
        instances(&mut lines, status, wall, &rates);
        channels(&mut lines, status, wall, &rates);
        programs(&mut lines, status, &rates);
        pages(&mut lines, status, &rates);
        apps_of_pages(&mut lines, status, &rates);
        limits(&mut lines, status, wall, &rates);
        self.before = Some(counts);
        lines
    }
}

fn plain(text: impl AsRef<str>) -> Line {
    Line {
        text: clipped(text.as_ref(), WIDTH),
        is_bold: false,
    }
}

fn heading(text: &str) -> Line {
    Line {
        text: text.to_owned(),
        is_bold: true,
    }
}

fn instances(lines: &mut Vec<Line>, status: &Status, wall: SystemTime, rates: &Rates<'_>) {
    lines.push(plain(String::new()));
    lines.push(heading(
        "INSTANCE          STATE                 FOR       RECV/s  SENT/s  DELIV/s  GAPS",
    ));
    for it in &status.instances {
        let name = &it.instance;
        let since = it.link.since.map(|since| ages::since(since, wall));
        lines.push(plain(format!(
            "{:<16}  {:<20}  {:<8}  {:>6}  {:>6}  {:>7}  {}",
            clipped(&printable(name), 16),
            it.link.state.explain(),
            since.unwrap_or_default(),
            rates.shown(&format!("received {name}")),
            rates.shown(&format!("sent {name}")),
            rates.shown(&format!("delivered {name}")),
            it.counters.gaps,
        )));
        if it.link.state != LinkState::Online && !it.link.last_error.is_empty() {
            lines.push(plain(format!("  ! {}", printable(&it.link.last_error))));
        }
    }
}

fn channels(lines: &mut Vec<Line>, status: &Status, wall: SystemTime, rates: &Rates<'_>) {
    let count: usize = status.instances.iter().map(|it| it.channels.len()).sum();
    if count == 0 {
        return;
    }
    lines.push(plain(String::new()));
    lines.push(heading(
        "CHANNEL                           CONFIRMED  LAST EVENT  LISTENERS  EVENTS/s",
    ));
    for it in &status.instances {
        for channel in &it.channels {
            let age = |time: Option<_>| time.map(|time| ages::since(time, wall));
            let key = format!("channel {} {}", it.instance, channel.channel);
            lines.push(plain(format!(
                "{:<32}  {:<9}  {:<10}  {:>9}  {:>8}",
                clipped(&placed(it, status, &channel.channel.to_string()), 32),
                age(channel.confirmed_at).unwrap_or_else(|| "NO".to_owned()),
                age(channel.last_broadcast_at).unwrap_or_else(|| "-".to_owned()),
                channel.listeners,
                rates.shown(&key),
            )));
        }
    }
}

fn programs(lines: &mut Vec<Line>, status: &Status, rates: &Rates<'_>) {
    let mut rows = Vec::new();
    for it in &status.instances {
        for listener in &it.listeners {
            rows.push((it, listener));
        }
    }
    if rows.is_empty() {
        return;
    }
    rows.sort_by_key(|(_, listener)| listener.pid);
    let rows = sorted_by_lag(rows, |(_, listener)| {
        let rate = rates.of(&format!("listener {}", listener.id));
        (listener.behind, rate)
    });
    lines.push(plain(String::new()));
    lines.push(heading(
        "PROGRAM                       CHANNEL           BEHIND  MISSED  DELIVERED     /s",
    ));
    for (it, listener) in rows {
        lines.push(plain(format!(
            "{:<28}  {:<16}  {:>6}  {:>6}  {:>9}  {:>5}",
            clipped(&program(listener.pid, listener.uid), 28),
            clipped(&placed(it, status, &listener.channel.to_string()), 16),
            listener.behind,
            listener.missed,
            listener.delivered,
            rates.shown(&format!("listener {}", listener.id)),
        )));
    }
}

/// Rows sorted by lag, then by rate, both descending.
fn sorted_by_lag<T>(rows: Vec<T>, lag_and_rate: impl Fn(&T) -> (u64, Option<f64>)) -> Vec<T> {
    let keyed = rows.into_iter().map(|row| {
        let (lag, rate) = lag_and_rate(&row);
        (lag, rate.unwrap_or(0.0), row)
    });
    let mut keyed: Vec<_> = keyed.collect();
    keyed.sort_by(|(a_lag, a_rate, _), (b_lag, b_rate, _)| {
        b_lag.cmp(a_lag).then(b_rate.total_cmp(a_rate))
    });
    keyed.into_iter().map(|(.., row)| row).collect()
}

/// Programs that were refused because of a limit, the latest first.
fn limits(lines: &mut Vec<Line>, status: &Status, wall: SystemTime, rates: &Rates<'_>) {
    if status.limit_hits.is_empty() {
        return;
    }
    lines.push(plain(String::new()));
    lines.push(heading(
        "LIMIT REACHED                 BY                        REFUSED     /s  LAST",
    ));
    for hit in &status.limit_hits {
        lines.push(plain(format!(
            "{:<28}  {:<24}  {:>7}  {:>5}  {}",
            clipped(&printable(&hit.limit), 28),
            refused_program(hit),
            hit.count,
            rates.shown(&limit_key(hit)),
            hit.last_at
                .map(|at| ages::since(at, wall))
                .unwrap_or_default(),
        )));
    }
}

fn pages(lines: &mut Vec<Line>, status: &Status, rates: &Rates<'_>) {
    if status.web_pages.is_empty() {
        return;
    }
    let rows = sorted_by_lag(status.web_pages.iter().collect(), |page| {
        (page.behind, rates.of(&page_key(page)))
    });
    lines.push(plain(String::new()));
    lines.push(heading(
        "PAGE OF         ORIGIN                 CHANNELS  BEHIND   CUT  DELIVERED      /s",
    ));
    for page in rows {
        lines.push(plain(format!(
            "{:<14}  {:<21}  {:>8}  {:>6}  {:>4}  {:>9}  {:>6}",
            clipped(&printable(&page.app), 14),
            clipped(&printable(&page.origin), 21),
            page.channels,
            page.behind,
            status.cut_of(page),
            page.delivered,
            rates.shown(&page_key(page)),
        )));
    }
}

/// Apps that have had pages, including those without an open one.
fn apps_of_pages(lines: &mut Vec<Line>, status: &Status, rates: &Rates<'_>) {
    if status.web_apps.is_empty() {
        return;
    }
    lines.push(plain(String::new()));
    lines.push(heading(
        "APP               INSTANCE          OPENED    CUT  REFUSED  DELIVERED         /s",
    ));
    for app in &status.web_apps {
        lines.push(plain(format!(
            "{:<16}  {:<16}  {:>6}  {:>5}  {:>7}  {:>9}  {:>9}",
            clipped(&printable(&app.app), 16),
            clipped(&printable(&app.instance), 16),
            app.opened,
            app.cut,
            app.refused,
            app.delivered,
            rates.shown(&format!("app {}", app.app)),
        )));
    }
}

/// Prefixes a text with the instance's name if there are several.
fn placed(it: &InstanceStatus, status: &Status, text: &str) -> String {
    match status.instances.len() {
        1 => text.to_owned(),
        _ => format!("{}: {text}", printable(&it.instance)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use expd_client::{
        ChannelStatus, Counters, LinkStatus, ListenerStatus, Time, WebAppStatus, WebOriginStatus,
        WebPageStatus,
    };
    use expd_domain::Channel;

    use super::*;

    fn status(delivered: u64) -> Status {
        let time = Some(Time(SystemTime::UNIX_EPOCH));
        let channel = Channel::new("a channel whose name is longer than its column has room");
        Status {
            version: "1.2.3".to_owned(),
            started_at: time,
            settings_mistakes: Vec::new(),
            web_pages: vec![WebPageStatus {
                app: "menu-board".to_owned(),
                origin: "https://a-long-name-of-a-kiosk.example:8443".to_owned(),
                instance: "default".to_owned(),
                since: time,
                protocol: 3,
                websocket: true,
                channels: 2,
                behind: 5,
                delivered: delivered * 2,
            }],
            web_apps: vec![WebAppStatus {
                app: "menu-board".to_owned(),
                instance: "default".to_owned(),
                opened: 7,
                delivered: delivered * 3,
                cut: 8,
                refused: 4,
                origins: vec![WebOriginStatus {
                    origin: "https://a-long-name-of-a-kiosk.example:8443".to_owned(),
                    opened: 2,
                    delivered,
                    cut: 1,
                    refused: 0,
                }],
            }],
            limit_hits: Vec::new(),
            instances: vec![InstanceStatus {
                instance: "default".to_owned(),
                host: String::new(),
                identity: None,
                link: LinkStatus {
                    state: LinkState::Offline,
                    since: time,
                    attempt: 1,
                    last_error: "no route ".repeat(20),
                    next_try: None,
                    protocol: 0,
                    token_expires_at: None,
                },
                channels: vec![ChannelStatus {
                    channel: channel.clone(),
                    channel_id: String::new(),
                    wanted_since: time,
                    asked_at: time,
                    confirmed_at: None,
                    last_broadcast_at: None,
                    listeners: 1,
                    log_events: 1,
                    log_bytes: 1,
                    log_sequence: delivered,
                    refusal: String::new(),
                }],
                listeners: vec![ListenerStatus {
                    id: "l".to_owned(),
                    channel,
                    name: String::new(),
                    context: String::new(),
                    pid: 0,
                    uid: 0,
                    behind: 3,
                    delivered,
                    missed: 0,
                }],
                counters: Counters::default(),
                waiting_broadcasts: 0,
                unsaved_credentials: None,
                transient: false,
            }],
        }
    }

    #[test]
    fn the_lines_fit_and_tell_rates_from_one_moment_to_the_next() {
        let mut view = View::default();
        let (wall, start) = (SystemTime::UNIX_EPOCH, Instant::now());
        let first = view.lines(&status(10), wall, start);
        assert!(
            first.iter().all(|line| line.text.chars().count() <= WIDTH),
            "{first:#?}"
        );
        let next = view.lines(&status(30), wall, start + Duration::from_secs(2));
        let text: Vec<&str> = next.iter().map(|line| &*line.text).collect();
        let program = text
            .iter()
            .find(|line| line.starts_with("over TCP"))
            .unwrap();
        assert!(program.trim_end().ends_with("30   10.0"), "{program}");
        assert!(text[0].ends_with("1 listeners  1 pages"), "{}", text[0]);
        let of_app: Vec<_> = text
            .iter()
            .filter(|line| line.starts_with("menu-board"))
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .collect();
        let [page, app] = &of_app[..] else {
            panic!("{text:#?}");
        };
        assert_eq!(page[2..], ["2", "5", "1", "60", "20.0"]);
        assert_eq!(app[2..], ["7", "8", "4", "90", "30.0"]);
        assert!(
            text.iter().any(|line| line.contains("! no route")),
            "{text:#?}"
        );
        assert!(text.iter().any(|line| line.contains("NO ")), "{text:#?}");
    }
}
