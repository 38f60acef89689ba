//! Layout of the daemon's status for people: at most 80 columns, to be read over the phone.

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

/// Columns of a terminal that everybody has.
const WIDTH: usize = 80;

/// Columns before a fact.
const INDENT: usize = 16;

/// Columns of names in the tables, so that a row fits.
const MAX_CHANNEL: usize = 22;
const MAX_LISTENED: usize = 15;
const MAX_EVENT: usize = 8;
const MAX_APP: usize = 16;
const MAX_ORIGIN: usize = 24;
const MAX_LIMIT: usize = 28;

/// Rows of limits that were reached: a page is to be read.
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

/// Number of sockets that were cut, which somebody should look at.
fn count_of_cut(cut: u64) -> String {
    match cut {
        0 => "0".to_owned(),
        cut => styled(WARN, cut),
    }
}

/// A page that shows the status of one moment.
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

    /// The page of the daemon at `socket`.
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

    /// Web pages, and what became of those of each app.
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

    /// Programs that were refused because a limit was reached, the latest first.
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

    /// Adds a fact under its name, on as many lines as it needs.
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

    /// Time since `time`; 0s where the clocks disagree.
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

/// The text in lines of at most `width` characters, broken between words where there are any.
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
mod tests {
    use std::time::Duration;

    use expd_client::{Counters, LinkStatus, WebAppStatus, WebOriginStatus, WebPageStatus};
    use expd_domain::{Channel, IdentityKind};

    use super::*;

    fn at(seconds: u64) -> Time {
        Time(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a whole status, and the page of it")]
    fn the_page_shows_the_link_the_four_truths_and_who_listens() {
        let channel = |name: &str, confirmed_at| ChannelStatus {
            channel: Channel::new(name),
            channel_id: String::new(),
            wanted_since: Some(at(100)),
            asked_at: Some(at(940)),
            confirmed_at,
            last_broadcast_at: None,
            listeners: 1,
            log_events: 1,
            log_bytes: 20,
            log_sequence: 7,
            refusal: String::new(),
        };
        let status = expd_client::Status {
            version: "1.2.3".to_owned(),
            started_at: Some(at(0)),
            settings_mistakes: Vec::new(),
            instances: vec![InstanceStatus {
                unsaved_credentials: None,
                instance: "default".to_owned(),
                host: "https://api.example".to_owned(),
                identity: Some(Identity {
                    kind: IdentityKind::Device,
                    uuid: "u-1".to_owned(),
                    organization: String::new(),
                    pairing_code: Some("abcdef".to_owned()),
                    paired: false,
                    expires_at: None,
                    username: None,
                    role: None,
                    rest: String::new(),
                    unknown: Vec::new(),
                }),
                link: LinkStatus {
                    state: LinkState::Offline,
                    since: Some(at(995)),
                    attempt: 2,
                    last_error: format!("refused\x1b[2J{}", " by a name that goes on".repeat(4)),
                    next_try: Some(at(1003)),
                    protocol: 0,
                    token_expires_at: None,
                },
                waiting_broadcasts: 3,
                transient: false,
                channels: vec![channel("menu", Some(at(950))), channel("x", None)],
                listeners: vec![ListenerStatus {
                    id: "l1".to_owned(),
                    channel: Channel::new("menu").system(),
                    name: String::new(),
                    context: String::new(),
                    pid: 42,
                    uid: 7777,
                    behind: 0,
                    delivered: 3,
                    missed: 1,
                }],
                counters: Counters::default(),
            }],
            web_pages: vec![WebPageStatus {
                app: "menu-board".to_owned(),
                origin: "https://kiosk.example".to_owned(),
                instance: "default".to_owned(),
                since: Some(at(940)),
                protocol: 4,
                websocket: true,
                channels: 2,
                behind: 1,
                delivered: 12,
            }],
            web_apps: vec![WebAppStatus {
                app: "menu-board".to_owned(),
                instance: "default".to_owned(),
                opened: 3,
                delivered: 40,
                cut: 3,
                refused: 2,
                origins: vec![WebOriginStatus {
                    origin: "https://kiosk.example".to_owned(),
                    opened: 2,
                    delivered: 30,
                    cut: 1,
                    refused: 0,
                }],
            }],
            limit_hits: vec![LimitHit {
                limit: "user.broadcasts_per_second".to_owned(),
                user: "7777".to_owned(),
                pid: 42,
                uid: 7777,
                count: 12,
                last_at: Some(at(970)),
            }],
        };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let page = StatusPage::new(now).render(&status, "/run/expd/expd.sock");
        let page = anstream::adapter::strip_str(&page).to_string();
        let expected = r#"
expd 1.2.3 at /run/expd/expd.sock
up for 16m 40s

default  offline for 5s
  host          https://api.example
  identity      device u-1, not paired
  pairing code  abc-def
  tries         2, next try in 3s
  last error    refused\u{1b}[2J by a name that goes on by a name that goes on
                by a name that goes on by a name that goes on
  received      0 broadcasts, 0 delivered, 0 gaps; 0 connects
  sent          0 broadcasts (0 failed), 0 responses (0 failed)
  waiting       3 broadcasts for the connection

  channel  wanted  asked  confirmed  last event  apps  log
  "menu"   15m 0s  1m 0s  50s        -           1     1
  "x"      15m 0s  1m 0s  no         -           1     1

  program           channel          event  behind  delivered  missed
  pid 42, uid 7777  "menu" (system)  all    0       3          1

  page of     origin                 channels  behind  delivered  cut
  menu-board  https://kiosk.example  2         1       12         1

  app         instance  opened  delivered  cut  refused
  menu-board  default   3       40         3    2

  limit reached               by                refused  last
  user.broadcasts_per_second  pid 42, uid 7777  12       30s ago
"#;
        assert_eq!(format!("\n{page}"), expected);
    }

    #[test]
    fn a_page_of_long_names_fits_eighty_columns() {
        let long = "x".repeat(300);
        let mut page = StatusPage::new(SystemTime::UNIX_EPOCH + Duration::from_secs(31_500_000));
        page.fact(
            "last error",
            &format!("{long} {}", "many words ".repeat(40)),
        );
        page.channels(&[ChannelStatus {
            channel: Channel::new(&long),
            channel_id: String::new(),
            wanted_since: Some(at(0)),
            asked_at: Some(at(0)),
            confirmed_at: Some(at(0)),
            last_broadcast_at: Some(at(0)),
            listeners: 9999,
            log_events: 1024,
            log_bytes: 0,
            log_sequence: 0,
            refusal: String::new(),
        }]);
        page.listeners(&[ListenerStatus {
            id: String::new(),
            channel: Channel::new(&long),
            name: long.clone(),
            context: long,
            pid: u32::MAX,
            uid: u32::MAX,
            behind: 1024,
            delivered: 123_456_789,
            missed: 12,
        }]);
        page.limit_hits(&[LimitHit {
            limit: "user.broadcasts_per_second".to_owned(),
            user: "x".repeat(300),
            pid: u32::MAX,
            uid: u32::MAX,
            count: 123_456_789,
            last_at: Some(at(0)),
        }]);
        let page = anstream::adapter::strip_str(&page.text).to_string();
        for line in page.lines() {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
    }
}
