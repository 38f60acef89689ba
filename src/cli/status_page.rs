//! Layout of the daemon's status for people: at most 80 columns, so that it can be read out over
//! the phone.

use std::time::SystemTime;

use anstyle::Style;

use super::ages;
use super::output::{BAD, BOLD, DIM, GOOD, WARN, printable, styled};
use super::programs::{clipped, refused_program, short_program};
use super::table;
use expd_client::{
    ChannelStatus, Identity, InstanceStatus, LimitHit, LinkState, ListenerStatus, Time,
};
use expd_domain::identity::display_pairing_code;

/// Width that every terminal has, in columns.
const WIDTH: usize = 80;

/// Indent of a fact, in columns.
const INDENT: usize = 16;

/// Widths of names in the tables, so that a row fits.
const MAX_CHANNEL: usize = 22;
const MAX_LISTENED: usize = 15;
const MAX_EVENT: usize = 8;
const MAX_APP: usize = 16;
const MAX_ORIGIN: usize = 24;
const MAX_LIMIT: usize = 28;

/// Number of reached limits that are listed; more would make the page unreadable.
const MAX_HITS: usize = 10;

/// The state of a link, in its colour.
pub(super) fn link_state(state: LinkState) -> String {
    let style = match state {
        LinkState::Online => GOOD,
        LinkState::Connecting | LinkState::Pairing => WARN,
        LinkState::Offline | LinkState::Refused => BAD,
    };
    styled(style, state.explain())
}

/// Number of closed sockets, highlighted as a warning.
fn count_of_cut(cut: u64) -> String {
    match cut {
        0 => "0".to_owned(),
        cut => styled(WARN, cut),
    }
}

/// Page with the status of one moment.
pub(super) struct StatusPage {
    now: SystemTime,
    text: String,
}

impl StatusPage {
    /// An empty page; times are shown relative to `now`.
    pub(super) fn new(now: SystemTime) -> Self {
        Self {
            now,
            text: String::new(),
        }
    }

    /// Renders the page of the daemon at `socket`.
    pub(super) fn render(mut self, status: &expd_client::Status, socket: &str) -> String {
        let up = status.started_at.map(|started| self.age(started));
        self.line(&format!(
            "{} at {}",
            styled(BOLD, format_args!("expd {}", printable(&status.version))),
            printable(socket),
        ));
        if let Some(up) = up {
            self.line(&format!("up for {up}"));
        }
        for instance in &status.instances {
            self.line("");
            self.instance(instance);
        }
        for mistake in &status.settings_mistakes {
            self.line(&format!("mistake in the settings: {}", printable(mistake)));
        }
        if status.instances.is_empty() {
            self.line("no instances");
        }
        self.web_pages(status);
        self.limit_hits(&status.limit_hits);
        self.text
    }

    fn instance(&mut self, instance: &InstanceStatus) {
        let link = &instance.link;
        let since = link.since.map(|since| format!(" for {}", self.age(since)));
        self.line(&format!(
            "{}  {}{}",
            styled(BOLD, printable(&instance.instance)),
            link_state(link.state),
            since.unwrap_or_default()
        ));
        self.fact("host", &printable(&instance.host));
        if let Some(why) = &instance.unsaved_credentials {
            self.fact(
                "pairing",
                &format!("not saved, a restart loses it: {}", printable(why)),
            );
        }
        self.fact(
            "identity",
            &instance
                .identity
                .as_ref()
                .map_or_else(|| "not logged in yet".to_owned(), identity),
        );
        if let Some(code) = instance
            .identity
            .as_ref()
            .and_then(|identity| identity.pairing_code.as_deref())
        {
            let code = display_pairing_code(code);
            self.styled_fact("pairing code", &printable(&code), BOLD);
        }
        if link.protocol != 0 {
            self.fact("protocol", &format!("Engine.IO {}", link.protocol));
        }
        if let Some(end) = link.token_expires_at {
            let end = self.until(end);
            self.fact("token", &format!("ends {end}"));
        }
        if link.attempt > 0 {
            let next = link
                .next_try
                .map(|next| format!(", next try {}", self.until(next)));
            self.fact(
                "tries",
                &format!("{}{}", link.attempt, next.unwrap_or_default()),
            );
        }
        if !link.last_error.is_empty() {
            self.styled_fact("last error", &printable(&link.last_error), BAD);
        }
        let counters = &instance.counters;
        self.fact(
            "received",
            &format!(
                "{} broadcasts, {} delivered, {} gaps; {} connects",
                counters.broadcasts_received, counters.deliveries, counters.gaps, counters.connects
            ),
        );
        self.fact(
            "sent",
            &format!(
                "{} broadcasts ({} failed), {} responses ({} failed)",
                counters.broadcasts_sent,
                counters.broadcasts_failed,
                counters.responses_sent,
                counters.responses_failed
            ),
        );
        if instance.waiting_broadcasts > 0 {
            let waiting = format!(
                "{} broadcasts for the connection",
                instance.waiting_broadcasts
            );
            self.fact("waiting", &waiting);
        }
        self.channels(&instance.channels);
        self.listeners(&instance.listeners);
    }

    fn channels(&mut self, channels: &[ChannelStatus]) {
        let heading = [
            "channel",
            "wanted",
            "asked",
            "confirmed",
            "last event",
            "apps",
            "log",
        ];
        let age = |time: Option<Time>| time.map_or_else(|| "-".to_owned(), |time| self.age(time));
        let rows = channels.iter().map(|channel| {
            let confirmed = match channel.confirmed_at {
                Some(_) => styled(GOOD, age(channel.confirmed_at)),
                None => styled(BAD, "no"),
            };
            vec![
                clipped(&channel.channel.to_string(), MAX_CHANNEL),
                age(channel.wanted_since),
                age(channel.asked_at),
                confirmed,
                age(channel.last_broadcast_at),
                channel.listeners.to_string(),
                channel.log_events.to_string(),
            ]
        });
        let rows = rows.collect();
        self.table(&heading, rows);
    }

    fn listeners(&mut self, listeners: &[ListenerStatus]) {
        let heading = [
            "program",
            "channel",
            "event",
            "behind",
            "delivered",
            "missed",
        ];
        let rows = listeners.iter().map(|listener| {
            let event = match listener.name.as_str() {
                "" => "all".to_owned(),
                name => clipped(&printable(name), MAX_EVENT),
            };
            vec![
                short_program(listener.pid, listener.uid),
                clipped(&listener.channel.to_string(), MAX_LISTENED),
                event,
                listener.behind.to_string(),
                listener.delivered.to_string(),
                match listener.missed {
                    0 => "0".to_owned(),
                    missed => styled(WARN, missed),
                },
            ]
        });
        self.table(&heading, rows.collect());
    }

    /// The open web pages, and the totals of each app.
    fn web_pages(&mut self, status: &expd_client::Status) {
        let heading = [
            "page of",
            "origin",
            "channels",
            "behind",
            "delivered",
            "cut",
        ];
        let rows = status.web_pages.iter().map(|page| {
            vec![
                clipped(&printable(&page.app), MAX_APP),
                clipped(&printable(&page.origin), MAX_ORIGIN),
                page.channels.to_string(),
                page.behind.to_string(),
                page.delivered.to_string(),
                count_of_cut(status.cut_of(page)),
            ]
        });
        self.table(&heading, rows.collect());
        let heading = ["app", "instance", "opened", "delivered", "cut", "refused"];
        let rows = status.web_apps.iter().map(|app| {
            vec![
                clipped(&printable(&app.app), MAX_APP),
                clipped(&printable(&app.instance), MAX_APP),
                app.opened.to_string(),
                app.delivered.to_string(),
                count_of_cut(app.cut),
                app.refused.to_string(),
            ]
        });
        self.table(&heading, rows.collect());
    }

    /// Programs that were refused because of a limit, the latest first.
    fn limit_hits(&mut self, hits: &[LimitHit]) {
        let heading = ["limit reached", "by", "refused", "last"];
        let rows = hits.iter().take(MAX_HITS).map(|hit| {
            let last = hit.last_at.map(|at| format!("{} ago", self.age(at)));
            vec![
                clipped(&printable(&hit.limit), MAX_LIMIT),
                refused_program(hit),
                styled(WARN, hit.count),
                last.unwrap_or_default(),
            ]
        });
        self.table(&heading, rows.collect());
        if hits.len() > MAX_HITS {
            let more = hits.len() - MAX_HITS;
            self.line(&format!("and {more} more, in expd status --json"));
        }
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Adds a named fact, on as many lines as it needs.
    fn fact(&mut self, name: &str, fact: &str) {
        self.styled_fact(name, fact, Style::new());
    }

    fn styled_fact(&mut self, name: &str, fact: &str, style: Style) {
        for (index, part) in wrapped(fact, WIDTH - INDENT).into_iter().enumerate() {
            let name = if index == 0 { name } else { "" };
            let name = styled(DIM, format_args!("{name:14}"));
            self.line(&format!("  {name}{}", styled(style, part)));
        }
    }

    /// Adds rows under a heading, each column as wide as its widest cell; nothing without rows.
    fn table(&mut self, heading: &[&str], rows: Vec<Vec<String>>) {
        if rows.is_empty() {
            return;
        }
        self.line("");
        for line in table::lines(heading, rows) {
            self.line(&line);
        }
    }

    /// Time since `time`; 0s if it is in the future.
    fn age(&self, time: Time) -> String {
        ages::since(time, self.now)
    }

    fn until(&self, time: Time) -> String {
        ages::until(time, self.now)
    }
}

fn identity(identity: &Identity) -> String {
    let who = match identity.uuid.as_str() {
        "" => identity.kind.to_string(),
        uuid => format!("{} {}", identity.kind, printable(uuid)),
    };
    let organization = match identity.organization.as_str() {
        "" => String::new(),
        organization => format!(" of {}", printable(organization)),
    };
    let paired = if identity.paired { "" } else { ", not paired" };
    format!("{who}{organization}{paired}")
}

/// Breaks a text into lines of at most `width` characters, between words where possible.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        let used = line.chars().count();
        if used > 0 && used + 1 + word.len() > width {
            lines.push(std::mem::take(&mut line));
        } else if used > 0 {
            line.push(' ');
        }
        while word.len() > width {
            let rest = word.split_off(width);
            lines.push(word.into_iter().collect());
            word = rest;
        }
        line.extend(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests;
