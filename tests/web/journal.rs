//! Events of the journal that tell of pages, as records of JSON.

use expd::journal::JournalEvent;
use expd_test_support::process::Daemon;
use serde_json::Value;

use crate::page::{Page, PollingPage};
use crate::page_host::{BOARD_ORIGIN, PageHost};

/// Records of one kind that a page causes within a minute and that are shown.
const MAX_SHOWN: usize = 10;

/// The next record of an event.
fn record(daemon: &mut Daemon, event: JournalEvent) -> Value {
    let line = daemon.said(&format!(r#""event":"{}""#, event.as_str()));
    let record: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
    assert_eq!(record["message_id"], event.message_id(), "{record}");
    assert_eq!(record["peer_kind"], "page", "{record}");
    record
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_has_missed_something_is_in_the_journal_with_its_app_and_origin() {
    const LOG: u64 = 4;
    let mut host =
        PageHost::with_limits(&format!("log_format = \"json\"\nlimits.log_events = {LOG}")).await;
    let token = host.log_in().await;
    let late = PollingPage::open(&host, &token).await;
    late.subscribe(&host).await;
    late.poll_until("42[\"subscribed\"").await;
    let token = host.log_in().await;
    let mut other = Page::open(&host, &token).await;
    other.subscribe(&host).await;
    for number in 1..=2 * LOG {
        host.send(number).await;
        assert_eq!(other.number().await, Some(number));
    }
    // It has not polled since: the log no longer has what comes next.
    assert!(late.poll().await.is_empty());
    let cut = record(&mut host.daemon, JournalEvent::PageCut);
    for (field, value) in [
        ("instance", "default"),
        ("app", "board"),
        ("origin", BOARD_ORIGIN),
        ("reason", "missed"),
    ] {
        assert_eq!(cut[field], value, "{field}: {cut}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_pages_are_in_the_journal_each_kind_some_times_a_minute() {
    let mut host = PageHost::with_limits("log_format = \"json\"").await;
    for number in 0..3 * MAX_SHOWN {
        let origin = format!("https://evil-{number}.example");
        let foreign = host.ask("GET", "/api/devices", &origin, "stolen").await;
        assert_eq!(foreign.status, 403, "{foreign:?}");
    }
    let foreign = record(&mut host.daemon, JournalEvent::PageRefused);
    for (field, value) in [
        ("origin", "https://evil-0.example"),
        ("code", "request.origin.foreign"),
    ] {
        assert_eq!(foreign[field], value, "{field}: {foreign}");
    }
    assert!(foreign["app"].is_null(), "{foreign}");
    let wrong = host.try_log_in("board", "wrong", BOARD_ORIGIN).await;
    assert_eq!(wrong.status, 401, "{wrong:?}");
    let line = host.daemon.said("authentication.credentials");
    let wrong: Value = serde_json::from_str(&line).unwrap();
    for (field, value) in [
        ("event", "page-refused"),
        ("app", "board"),
        ("origin", BOARD_ORIGIN),
        ("code", "authentication.credentials"),
    ] {
        assert_eq!(wrong[field], value, "{field}: {wrong}");
    }
    let heard = host.daemon.heard();
    let shown = heard.matches("\"code\":\"request.origin.foreign\"");
    assert_eq!(shown.count(), MAX_SHOWN, "{heard}");
}
