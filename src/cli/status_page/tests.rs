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
