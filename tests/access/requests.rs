//! Methods and paths narrow requests of the API.

use expd_test_support::process::Home;

use crate::actor::Other;

const RULES: &str = r#"
[[access]]
user = "nobody"
methods = ["GET"]
paths = ["/api/devices", "/api/devices/*", "/api/content", "/api/delivery/*"]
allow = ["request"]
[[access]]
user = "nobody"
paths = ["/api/data/till/*"]
allow = ["request"]
"#;

#[tokio::test]
async fn a_request_goes_out_only_with_a_method_and_path_that_a_rule_names() {
    let home = Home::new(RULES);
    let _daemon = home.start();
    let mut nobody = Other::nobody(&home);
    assert_eq!(nobody.told("request /api/devices"), "status 200");
    assert_eq!(
        nobody.told("request /api/devices?limit=1 get"),
        "status 200"
    );
    assert_eq!(nobody.told("request /api/data/till/sum PUT"), "status 200");
    assert_eq!(nobody.told("identity -"), "device");
    for (order, says) in [
        (
            "request /api/devices POST",
            "method \"POST\", path \"/api/devices\"",
        ),
        ("request /api/users", "path \"/api/users\""),
        ("request /api/Devices", "path \"/api/Devices\""),
        // Some servers read these as the list, or as another group.
        ("request /api/devices//", "may not send API requests"),
        ("request /api/devices/;x", "may not send API requests"),
        ("request /api/data/till/%2F", "may not send API requests"),
        (
            "request /api/networks/current/broadcasts",
            "may not send API requests",
        ),
        ("fetch /api/users", "method \"GET\", path \"/api/users\""),
        (
            "url /api/things/1",
            "method \"GET\", path \"/api/things/1\"",
        ),
        // Refused by the guard of paths, before any rule.
        ("request /api/devices/../users", "segment"),
        ("request /api/auth/token", "the daemon's own"),
    ] {
        let said = nobody.told(order);
        assert!(
            said.starts_with("refused") && said.contains(says),
            "{order}: {said}"
        );
    }
    // What a rule allows, the network answers: there is no such content.
    let said = nobody.told("fetch /api/delivery/none.png");
    assert!(!said.contains("[[access]]"), "{said}");
}
