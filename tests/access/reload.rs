//! A reload gives and takes rights.

use expd_test_support::DEADLINE;
use expd_test_support::process::Home;
use futures_util::StreamExt as _;

use crate::RULES;
use crate::actor::{Actor, BUSY, Other};

#[tokio::test]
async fn a_reload_gives_and_takes_rights_even_of_open_streams() {
    let home = Home::new(RULES);
    let mut daemon = home.start();
    let mut root = Actor::connect(&home.socket()).await;
    let mut nobody = Other::nobody(&home);
    assert_eq!(nobody.told("listen menu"), "done");
    assert_eq!(root.does("open menu -").await.len(), 32);
    assert_eq!(root.does("broadcast menu").await, "done");
    assert_eq!(nobody.told("hear -"), "e");
    home.write(
        &RULES
            .replace(
                r#"allow = ["listen", "broadcast", "respond", "status"]"#,
                r#"allow = ["request"]"#,
            )
            .replace(r#"channels = ["menu"]"#, ""),
    );
    daemon.signal("HUP");
    daemon.said("settings reloaded");
    assert_eq!(nobody.told("request /api/devices"), "status 200");
    assert_eq!(root.does("broadcast menu").await, "done");
    let said = nobody.told("hear -");
    assert!(
        said.contains("may not listen on channel \"menu\""),
        "{said}"
    );
}

#[tokio::test]
async fn a_reload_ends_quiet_streams_that_lose_their_right_at_once() {
    let home = Home::new(RULES);
    let mut daemon = home.start();
    let mut root = Actor::connect(&home.socket()).await;
    let mut nobody = Other::nobody(&home);
    assert_eq!(nobody.told("listen menu"), "done");
    assert_eq!(nobody.told("watch -"), "Online");
    assert_eq!(root.does("watch -").await, "Online");
    assert_eq!(root.does("status -").await, "channels menu listeners menu");
    home.write(&RULES.replace(
        r#"allow = ["listen", "broadcast", "respond", "status"]"#,
        r#"allow = ["respond"]"#,
    ));
    daemon.signal("HUP");
    // Nothing is broadcast, and the link stands still.
    let said = nobody.told("hear -");
    assert!(
        said.contains("may not listen on channel \"menu\""),
        "{said}"
    );
    let said = nobody.told("watched -");
    assert!(
        said.contains("may not see the status on instance \"default\""),
        "{said}"
    );
    assert_eq!(root.does("status -").await, "channels menu listeners ");
    // Who keeps the right keeps the stream, and who gains it sees what there is.
    assert!(nobody.told("watch -").starts_with("refused"));
    home.write(RULES);
    daemon.signal("HUP");
    daemon.said("settings reloaded");
    daemon.said("settings reloaded");
    assert_eq!(nobody.told("watch -"), "Online");
    let watch = root.watch.as_mut().unwrap();
    // Nothing came of the reload: the daemon's end is what comes next.
    daemon.signal("TERM");
    let next = tokio::time::timeout(DEADLINE, watch.next()).await.unwrap();
    let ended = next.map(|event| event.map_err(|error| error.to_string()));
    assert!(
        !matches!(&ended, Some(Ok(_))) && !format!("{ended:?}").contains("may not see"),
        "{ended:?}"
    );
}

#[tokio::test]
async fn a_reload_ends_a_call_that_waits_for_an_event_and_loses_its_right() {
    let home = Home::new(RULES);
    let daemon = home.start();
    let mut root = Actor::connect(&home.socket()).await;
    let mut nobody = Other::nobody(&home);
    assert_eq!(nobody.told("listen menu"), "done");
    let id = nobody.told("open menu -");
    let next = format!("next {id}");
    // That the channel is confirmed, with which it begins.
    assert_eq!(nobody.told(&next), "done");
    nobody.tell(&format!("wait {id}"));
    let waits = async { while !root.does(&next).await.contains(BUSY) {} };
    tokio::time::timeout(DEADLINE, waits).await.unwrap();
    home.write(&RULES.replace(
        r#"allow = ["listen", "broadcast", "respond", "status"]"#,
        r#"allow = ["respond"]"#,
    ));
    daemon.signal("HUP");
    let said = nobody.answer();
    assert!(
        said.contains("may not listen on channel \"menu\""),
        "{said}"
    );
}

#[tokio::test]
async fn a_mistake_in_the_settings_keeps_the_old_ones() {
    let home = Home::new(&format!("log = \"debug\"\n{RULES}"));
    let mut daemon = home.start();
    let mut nobody = Other::nobody(&home);
    home.write("logg = \"info\"\nlisten = 7\n");
    daemon.signal("HUP");
    daemon.said("daemon.logg: unknown key; did you mean daemon.log?");
    daemon.said("daemon.listen: must be a text");
    daemon.said("reload refused: ");
    assert!(nobody.told("broadcast other").contains("[[access]]"));
    home.write(&format!(
        "log = \"info\"\nlisten = \"127.0.0.1:0\"\nmetrics = \"127.0.0.1:0\"\n{RULES}"
    ));
    daemon.signal("HUP");
    let said = daemon.said("need a restart");
    assert!(said.ends_with(": daemon.listen, daemon.metrics"), "{said}");
}
