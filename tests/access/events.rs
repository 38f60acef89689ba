//! Events and flags of channels narrow what is heard and sent.

use expd_test_support::process::Home;

use crate::actor::{Actor, Other};

/// Nobody may hear some events of all channels, and send some on those that are open to consumers.
const RULES: &str = r#"
[[access]]
uid = 0
allow = ["listen", "broadcast", "respond", "request", "status", "admin"]
[[access]]
user = "nobody"
events = ["price-*", "stop"]
allow = ["listen"]
[[access]]
user = "nobody"
consumer = true
events = ["order"]
allow = ["broadcast"]
"#;

#[tokio::test]
async fn a_stream_is_given_the_events_that_its_rules_let_through_and_no_others() {
    let home = Home::new(RULES);
    let _daemon = home.start();
    let mut root = Actor::connect(&home.socket()).await;
    let mut nobody = Other::nobody(&home);
    assert_eq!(nobody.told("listen menu"), "done");
    for event in ["secret", "price-1", "prices", "stop"] {
        assert_eq!(root.does(&format!("broadcast menu {event}")).await, "done");
    }
    assert_eq!(nobody.told("hear -"), "price-1");
    assert_eq!(nobody.told("hear -"), "stop");
    // One that it may hear, and one that it may not.
    assert_eq!(nobody.told("listen menu stop"), "done");
    let refused = nobody.told("listen menu secret");
    for part in [
        "may not listen on channel \"menu\" of instance \"default\", event \"secret\"",
        "[[access]]",
    ] {
        assert!(refused.contains(part), "{refused}");
    }
}

#[tokio::test]
async fn a_listener_in_pull_form_is_given_them_too_and_an_administrator_all() {
    let home = Home::new(RULES);
    let _daemon = home.start();
    let mut root = Actor::connect(&home.socket()).await;
    let mut nobody = Other::nobody(&home);
    let listener = nobody.told("open menu -");
    assert_eq!(root.does("listen menu").await, "done");
    for event in ["secret", "price-1", "hidden", "price-2"] {
        assert_eq!(root.does(&format!("broadcast menu {event}")).await, "done");
    }
    assert_eq!(nobody.told(&format!("take {listener}")), "price-1");
    assert_eq!(root.does(&format!("take {listener}")).await, "price-2");
    assert_eq!(root.does("broadcast menu secret").await, "done");
    assert_eq!(root.does(&format!("take {listener}")).await, "secret");
    assert!(nobody.told("open menu - secret").contains("[[access]]"));
}

#[tokio::test]
async fn a_reload_changes_what_open_listeners_hear() {
    let home = Home::new(RULES);
    let mut daemon = home.start();
    let mut root = Actor::connect(&home.socket()).await;
    let mut nobody = Other::nobody(&home);
    let listener = nobody.told("open menu -");
    assert_eq!(nobody.told("listen menu"), "done");
    let widened = RULES.replace(r#"events = ["price-*", "stop"]"#, r#"events = ["secret"]"#);
    home.write(&widened);
    daemon.signal("HUP");
    daemon.said("settings reloaded");
    for event in ["price-1", "secret"] {
        assert_eq!(root.does(&format!("broadcast menu {event}")).await, "done");
    }
    assert_eq!(nobody.told("hear -"), "secret");
    // What it has read under the old rules is not handed out under the new ones.
    home.write(RULES);
    daemon.signal("HUP");
    daemon.said("settings reloaded");
    assert_eq!(root.does("broadcast menu price-2").await, "done");
    assert_eq!(nobody.told("hear -"), "price-2");
    assert_eq!(nobody.told(&format!("take {listener}")), "price-1");
    // A named listener goes with its event.
    assert_eq!(nobody.told("listen menu stop"), "done");
    nobody.tell("hear -");
    home.write(&widened);
    daemon.signal("HUP");
    let said = nobody.answer();
    assert!(said.contains("event \"stop\""), "{said}");
}

#[tokio::test]
async fn a_broadcast_is_sent_only_with_an_event_and_flags_that_its_rule_names() {
    let home = Home::new(RULES);
    let _daemon = home.start();
    let mut root = Actor::connect(&home.socket()).await;
    let mut nobody = Other::nobody(&home);
    assert_eq!(root.does("listen menu+consumer").await, "done");
    for (order, missing) in [
        ("broadcast menu+consumer price-1", "event \"price-1\""),
        ("broadcast menu order", "channel \"menu\""),
        ("broadcast menu+system order", "channel \"menu\" (system)"),
        ("respond menu", "may not respond"),
    ] {
        let said = nobody.told(order);
        assert!(
            said.contains(missing) && said.contains("[[access]]"),
            "{order}: {said}"
        );
    }
    // Nothing of these was sent.
    assert_eq!(nobody.told("broadcast menu+consumer order"), "done");
    assert_eq!(root.does("hear -").await, "order");
}
