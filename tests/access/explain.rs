//! The deciding rule, and what others lack.

use expd_test_support::process::Home;

use crate::RULES;
use crate::actor::{Actor, Other};

#[tokio::test]
async fn the_deciding_rule_is_told_to_its_user_and_to_administrators() {
    let home = Home::new(&format!(
        "{RULES}
[[access]]
group = \"daemon\"
allow = [\"broadcast\", \"request\"]
[[access]]
unit = \"docker-*.scope\"
allow = [\"run\"]
"
    ));
    let _daemon = home.start();
    let mut root = Actor::connect(&home.socket()).await;
    let mut nobody = Other::nobody(&home);
    // What is said is what is done.
    let mine = nobody.told("explain broadcast menu -");
    assert!(mine.starts_with("true by [\"access[1]\"]: allowed by access[1] (user = nobody, channels = \"menu\", allow = "), "{mine}");
    assert_eq!(nobody.told("broadcast menu"), "done");
    let refused = nobody.told("explain broadcast other -");
    for part in [
        "false by []: refused: uid 65534 (nobody)",
        "add \"broadcast\" to a rule",
        "rules for this caller: access[1] (user = nobody",
    ] {
        assert!(refused.contains(part), "{refused}");
    }
    // A user may ask about all of its programs, and about nobody else's.
    let pid = nobody.child.id();
    for (about, allowed) in [
        (format!("pid:{pid}"), true),
        ("uid:65534".to_owned(), true),
        ("uid:0".to_owned(), false),
        ("uid:1".to_owned(), false),
        (format!("pid:{}", std::process::id()), false),
        // Not even that there is none.
        ("pid:2147483647".to_owned(), false),
    ] {
        let answer = nobody.told(&format!("explain listen menu {about}"));
        let expected = if allowed { "true" } else { "refused: " };
        assert!(answer.starts_with(expected), "{about}: {answer}");
        assert_eq!(answer.contains("may not administer"), !allowed, "{answer}");
        let answer = root.does(&format!("explain listen menu {about}")).await;
        assert_eq!(
            answer.contains("no process"),
            about.ends_with("7483647"),
            "{answer}"
        );
    }
    // Groups: of the account of a user, and of the process as it runs.
    let mut other = Other::new(&home, &["--reuid=9", "--regid=9", "--groups=1"]);
    let pid = other.child.id();
    // Once it answers, it has its user and groups.
    assert!(other.told("broadcast x").starts_with("done"));
    for (question, allowed) in [
        (
            format!("explain broadcast x pid:{pid}"),
            "true by [\"access[2]\"]",
        ),
        (
            "explain broadcast x uid:1".to_owned(),
            "true by [\"access[2]\"]",
        ),
        ("explain broadcast x uid:9".to_owned(), "false by []"),
        (
            "explain request /api/devices uid:1".to_owned(),
            "true by [\"access[2]\"]",
        ),
        // It broadcasts, too.
        (
            "explain request /api/networks/current/broadcasts uid:0".to_owned(),
            "true by [\"access[0]\", \"access[0]\", \"access[0]\"]: allowed: request by access[0]",
        ),
        (
            "explain request /api/networks/current/broadcasts uid:1".to_owned(),
            "false by []: refused: uid 1 (daemon) in no unit may not respond",
        ),
        (
            "explain request /api/auth/token uid:0".to_owned(),
            "false by []: refused: ",
        ),
        (
            "explain admin - uid:0".to_owned(),
            "true by [\"access[0]\"]",
        ),
        (
            "explain status - uid:65534".to_owned(),
            "true by [\"access[1]\"]",
        ),
        ("explain listen - -".to_owned(), "refused: "),
        ("explain fly - -".to_owned(), "refused: "),
    ] {
        let answer = root.does(&question).await;
        assert!(answer.starts_with(allowed), "{question}: {answer}");
    }
    // One whom no rule is for may ask.
    let mut stranger = Other::new(&home, &["--reuid=9", "--regid=9", "--clear-groups"]);
    let answer = stranger.told("explain listen menu -");
    assert!(
        answer.ends_with("no rule applies to this caller"),
        "{answer}"
    );
}

#[tokio::test]
async fn without_rules_everybody_may_and_may_ask() {
    let home = Home::new("");
    let _daemon = home.start();
    let mut nobody = Other::nobody(&home);
    let answer = nobody.told("explain admin menu uid:0");
    assert!(
        answer.starts_with("true by []: allowed: there are no access rules"),
        "{answer}"
    );
}
