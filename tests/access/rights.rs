//! Users and groups, channels, and whose listeners are whose.

use std::process::Command;

use expd_test_support::process::Home;

use crate::RULES;
use crate::actor::{Actor, Other};

#[tokio::test]
async fn a_user_may_do_what_a_rule_allows_and_is_told_of_the_rest() {
    let home = Home::new(RULES);
    let _daemon = home.start();
    let mut root = Actor::connect(&home.socket()).await;
    let mut nobody = Other::nobody(&home);
    assert_eq!(root.does("listen secret").await, "done");
    assert_eq!(root.does("open menu -").await.len(), 32);
    assert_eq!(nobody.told("broadcast menu"), "done");
    assert_eq!(nobody.told("listen menu"), "done");
    assert_eq!(nobody.told("status -"), "channels menu listeners menu,menu");
    assert_eq!(nobody.told("identity -"), "device");
    assert_eq!(
        root.does("status -").await,
        "channels menu,secret listeners secret,menu,menu"
    );
    let refused = nobody.told("broadcast other");
    for part in [
        "uid 65534 (nobody)",
        "may not broadcast on channel \"other\" of instance \"default\"",
        "[[access]]",
        "add \"broadcast\"",
        "systemctl reload",
    ] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    for order in [
        "listen other",
        "open other -",
        "respond other",
        "request /api/devices",
    ] {
        let said = nobody.told(order);
        assert!(
            said.starts_with("refused") && said.contains("[[access]]"),
            "{order}: {said}"
        );
    }
    // Beyond the rules it is EXP that answers.
    let said = nobody.told("respond menu");
    assert!(!said.contains("[[access]]"), "{said}");
    assert_eq!(root.does("request /api/devices").await, "status 200");
    // Who may signal the process may ask it to reload, and no rule matters.
    let refused = nobody.told("reload -");
    assert!(
        refused.contains("may not reload the settings: root and"),
        "{refused}"
    );
    assert_eq!(root.does("reload -").await, "[]");
}

#[tokio::test]
async fn listeners_are_their_users_own() {
    let home = Home::new(RULES);
    let _daemon = home.start();
    let mut root = Actor::connect(&home.socket()).await;
    let mut nobody = Other::nobody(&home);
    let first = root.does("open menu shared").await;
    let second = root.does("open other shared").await;
    let third = nobody.told("open menu shared");
    for (order, listener) in [("next", &first), ("cancel", &first), ("cancel", &second)] {
        let said = nobody.told(&format!("{order} {listener}"));
        assert!(said.contains("no listener has the ID"), "{order}: {said}");
    }
    assert!(nobody.told("cancel L99").contains("no listener has the ID"));
    assert_eq!(nobody.told(&format!("next {third}")), "done");
    // Its own alone; those of root stay.
    assert_eq!(nobody.told("clear shared"), "1");
    assert_eq!(root.does(&format!("next {first}")).await, "done");
    // An administrator may end anybody's.
    let fourth = nobody.told("open menu shared");
    assert_eq!(root.does(&format!("next {fourth}")).await, "done");
    assert_eq!(root.does("clear shared").await, "3");
}

#[tokio::test]
async fn without_rules_everybody_who_can_connect_may_do_everything() {
    let home = Home::new("");
    let _daemon = home.start();
    let mut root = Actor::connect(&home.socket()).await;
    let mut nobody = Other::nobody(&home);
    let listener = root.does("open menu shared").await;
    assert_eq!(nobody.told(&format!("next {listener}")), "done");
    assert_eq!(nobody.told("broadcast other"), "done");
    assert_eq!(nobody.told("request /api/devices"), "status 200");
    assert_eq!(nobody.told("clear shared"), "1");
}

#[tokio::test]
async fn a_group_counts_as_the_process_has_it() {
    let home = Home::new("[[access]]\ngroup = \"daemon\"\nallow = [\"request\"]\n");
    let _daemon = home.start();
    let daemon = Command::new("getent")
        .args(["group", "daemon"])
        .output()
        .unwrap();
    let line = String::from_utf8(daemon.stdout).unwrap();
    let gid = line.split(':').nth(2).unwrap();
    let groups = format!("--groups=4242,{gid}");
    let mut member = Other::new(&home, &["--reuid=65534", "--regid=65534", &groups]);
    assert_eq!(member.told("request /api/devices"), "status 200");
    // `request` does not include the verbs that have a name.
    let said = member.told("request /api/networks/current/broadcasts");
    assert!(said.contains("[[access]]"), "{said}");
    // Nobody is told to ask for a right to paths that are the daemon's own.
    let said = member.told("request /api/auth/token");
    assert!(
        said.contains("the daemon's own") && !said.contains("[[access]]"),
        "{said}"
    );
    let primary = format!("--regid={gid}");
    let mut primary = Other::new(&home, &["--reuid=65534", &primary, "--clear-groups"]);
    assert_eq!(primary.told("request /api/devices"), "status 200");
    let mut stranger = Other::nobody(&home);
    assert!(
        stranger
            .told("request /api/devices")
            .contains("may not send API requests")
    );
}
