//! Identities that programs bring along.

use expd_test_support::eventually;
use expd_test_support::process::Home;

use crate::actor::{Actor, Other};

#[tokio::test]
async fn an_instance_that_a_user_runs_is_nobody_elses() {
    for rules in [
        "",
        "[[access]]\nallow = [\"run\", \"listen\", \"request\", \"status\", \"admin\"]\n",
    ] {
        let home = Home::new(rules);
        let mut daemon = home.start();
        let mut root = Actor::connect(&home.socket()).await;
        let mut nobody = Other::nobody(&home);
        assert_eq!(nobody.told("run mine"), "runs, well");
        assert_eq!(nobody.told("names -"), "default,mine");
        let listener = nobody.told("on mine");
        assert_eq!(listener.len(), 32, "{listener}");
        // To root, and to an administrator, it does not exist.
        assert_eq!(root.does("names -").await, "default");
        let none = root.does("who none").await;
        assert_eq!(root.does("who mine").await, none.replace("none", "mine"));
        for order in ["next", "cancel"] {
            let said = root.does(&format!("{order} {listener}")).await;
            assert!(said.contains("no listener has the ID"), "{said}");
        }
        assert_eq!(root.does("clear shared").await, "0");
        // Nor is its name taken for others.
        assert_eq!(root.does("run mine").await, "runs, well");
        let own = root.does("on mine").await;
        assert_eq!(root.does("clear shared").await, "1");
        assert!(
            root.does(&format!("next {own}"))
                .await
                .contains("no listener")
        );
        assert_eq!(nobody.told(&format!("next {listener}")), "done");
        // A reload leaves instances alone.
        daemon.signal("HUP");
        daemon.said("settings reloaded");
        assert_eq!(nobody.told(&format!("next {listener}")), "done");
        assert_eq!(root.does("end -").await, "done");
        assert_eq!(nobody.told("names -"), "default,mine");
        assert_eq!(nobody.told("clear shared"), "1");
        assert_eq!(nobody.told("end -"), "done");
        eventually("it is gone", async || match nobody.told("names -") {
            names if names == "default" => Ok(()),
            names => Err(names),
        })
        .await;
        // Nothing of it was stored.
        assert!(
            !home
                .folder
                .path()
                .join("state/mine.credentials.json")
                .exists()
        );
    }
}

#[tokio::test]
async fn running_an_identity_needs_its_right_under_its_name() {
    const RIGHTS: &str = r#"
[[access]]
uid = 0
allow = ["listen", "status", "admin"]
[[access]]
user = "nobody"
allow = ["run", "listen", "status"]
channels = ["menu"]
instances = ["mine"]
"#;
    let home = Home::new(RIGHTS);
    let daemon = home.start();
    let mut root = Actor::connect(&home.socket()).await;
    let mut nobody = Other::nobody(&home);
    let said = root.does("run mine").await;
    assert!(said.contains("may not run an identity"), "{said}");
    let said = nobody.told("run other");
    assert!(
        said.contains("may not run an identity on instance \"other\"")
            && said.contains("[[access]]"),
        "{said}"
    );
    assert_eq!(nobody.told("run mine"), "runs, well");
    assert_eq!(nobody.told("names -"), "mine");
    assert_eq!(nobody.told("on mine").len(), 32);
    // Its other rights are those of the rules.
    let said = nobody.told("broadcast menu");
    assert!(said.contains("may not broadcast"), "{said}");
    home.write(&RIGHTS.replace(r#""run", "#, "").replace("mine", "default"));
    daemon.signal("HUP");
    let said = nobody.told("ran -");
    assert!(said.contains("may not run an identity"), "{said}");
}
