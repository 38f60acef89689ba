//! Layout of the daemon's status for people.

use std::time::SystemTime;

use super::ages;
use super::output::{BAD, BOLD, DIM, GOOD, WARN, printable, styled};
use super::table;
use expd_client::{ChannelStatus, Identity, InstanceStatus, LinkState, ListenerStatus, Time};
use expd_domain::identity::display_pairing_code;

/// The state of a link, in its colour.
pub(super) fn link_state(state: LinkState) -> String {
    let style = match state {
        LinkState::Online => GOOD,
        LinkState::Connecting | LinkState::Pairing => WARN,
        LinkState::Offline | LinkState::Refused => BAD,
    };
    styled(style, state.explain())
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
            "{} at {}, up for {}",
            styled(BOLD, format_args!("expd {}", printable(&status.version))),
            printable(socket),
            up.unwrap_or_else(|| "an unknown time".into())
        ));
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
            self.fact("pairing code", &styled(BOLD, printable(&code)));
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
            self.fact("last error", &styled(BAD, printable(&link.last_error)));
        }
        let counters = &instance.counters;
        self.fact(
            "counted",
            &format!(
                "{} received, {} delivered, {} gaps, {} sent ({} failed), {} responses ({} \
                 failed), {} connects",
                counters.broadcasts_received,
                counters.deliveries,
                counters.gaps,
                counters.broadcasts_sent,
                counters.broadcasts_failed,
                counters.responses_sent,
                counters.responses_failed,
                counters.connects
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
            "wanted for",
            "asked",
            "confirmed",
            "last broadcast",
            "listeners",
            "log",
        ];
        let ago = |time: Option<Time>| {
            time.map_or_else(|| "-".to_owned(), |time| format!("{} ago", self.age(time)))
        };
        let rows = channels.iter().map(|channel| {
            let confirmed = match channel.confirmed_at {
                Some(_) => styled(GOOD, ago(channel.confirmed_at)),
                None => styled(BAD, "no"),
            };
            vec![
                channel.channel.to_string(),
                channel
                    .wanted_since
                    .map_or_else(|| "-".to_owned(), |since| self.age(since)),
                ago(channel.asked_at),
                confirmed,
                ago(channel.last_broadcast_at),
                channel.listeners.to_string(),
                format!(
                    "{} in {}, at {}",
                    plural(channel.log_events.into(), "event"),
                    size(channel.log_bytes),
                    channel.log_sequence
                ),
            ]
        });
        let rows = rows.collect();
        self.table(&heading, rows);
    }

    fn listeners(&mut self, listeners: &[ListenerStatus]) {
        let heading = [
            "listener",
            "channel",
            "event",
            "context",
            "process",
            "behind",
            "delivered",
            "missed",
        ];
        let or = |text: &str, otherwise: &str| {
            if text.is_empty() {
                otherwise.to_owned()
            } else {
                printable(text).into_owned()
            }
        };
        let rows = listeners.iter().map(|listener| {
            let process = if listener.pid == 0 {
                "over TCP".to_owned()
            } else {
                format!("{} (uid {})", listener.pid, listener.uid)
            };
            vec![
                printable(&listener.id).into_owned(),
                listener.channel.to_string(),
                or(&listener.name, "all"),
                or(&listener.context, "-"),
                process,
                listener.behind.to_string(),
                listener.delivered.to_string(),
                listener.missed.to_string(),
            ]
        });
        self.table(&heading, rows.collect());
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn fact(&mut self, name: &str, fact: &str) {
        self.line(&format!(
            "  {}{fact}",
            styled(DIM, format_args!("{name:14}"))
        ));
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

fn plural(count: u64, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..10_240 => format!("{bytes} B"),
        10_240..10_485_760 => format!("{} KiB", bytes / 1024),
        _ => format!("{} MiB", bytes / (1024 * 1024)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use expd_client::{Counters, LinkStatus};
    use expd_domain::{Channel, IdentityKind};

    use super::*;

    fn at(seconds: u64) -> Time {
        Time(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
    }

    #[test]
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
                    last_error: "refused\x1b[2J".to_owned(),
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
                    uid: 7,
                    behind: 0,
                    delivered: 3,
                    missed: 1,
                }],
                counters: Counters::default(),
            }],
        };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let page = StatusPage::new(now).render(&status, "/run/expd/expd.sock");
        let page = anstream::adapter::strip_str(&page).to_string();
        let expected = r#"
expd 1.2.3 at /run/expd/expd.sock, up for 16m 40s

default  offline for 5s
  host          https://api.example
  identity      device u-1, not paired
  pairing code  abc-def
  tries         2, next try in 3s
  last error    refused\u{1b}[2J
  counted       0 received, 0 delivered, 0 gaps, 0 sent (0 failed), 0 responses (0 failed), 0 connects
  waiting       3 broadcasts for the connection

  channel  wanted for  asked      confirmed  last broadcast  listeners  log
  "menu"   15m 0s      1m 0s ago  50s ago    -               1          1 event in 20 B, at 7
  "x"      15m 0s      1m 0s ago  no         -               1          1 event in 20 B, at 7

  listener  channel          event  context  process     behind  delivered  missed
  l1        "menu" (system)  all    -        42 (uid 7)  0       3          1
"#;
        assert_eq!(format!("\n{page}"), expected);
    }
}
