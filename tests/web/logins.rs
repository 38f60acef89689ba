//! Logins and tokens: by whom, for how long, and whom they harm.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use expd_domain::{Secret, login};
use expd_test_support::eventually;
use serde_json::Value;

use crate::page::Page;
use crate::page_host::{BOARD_ORIGIN, PageHost, TILL_ORIGIN};

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_answered_503_until_the_instance_has_an_identity() {
    let mut host = PageHost::dark().await;
    let early = host.try_log_in("board", "board-key", BOARD_ORIGIN).await;
    assert_eq!((early.status, early.code()), (503, "network.unavailable"));
    host.network.start_again().await;
    let login = eventually("the login is taken", async || {
        let login = host.try_log_in("board", "board-key", BOARD_ORIGIN).await;
        if login.status == 200 {
            Ok(login)
        } else {
            Err(format!("{login:?}"))
        }
    })
    .await;
    assert_eq!(login.json["identity"]["uuid"], "daemon", "{login:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_guesses_keys_locks_out_its_own_origin_and_no_other_app() {
    let mut host = PageHost::start().await;
    for _ in 0..20 {
        let foreign = host.try_log_in("board", "wrong", TILL_ORIGIN).await;
        assert_eq!(
            (foreign.status, foreign.code()),
            (403, "authentication.origin")
        );
    }
    let line = host.daemon.said("refused the login of a page");
    assert!(line.contains(TILL_ORIGIN), "{line}");
    host.log_in().await;
    let try_till = async |key| host.try_log_in("till", key, TILL_ORIGIN).await.status;
    assert_eq!(try_till("wrong").await, 401);
    // A key that is found once the tries are used up is worth nothing. A try comes back every 2 s,
    // and a busy machine may take that long from one login to the next.
    eventually("the right key is refused", async || {
        while try_till("wrong").await != 429 {}
        match try_till("till-key").await {
            429 => Ok(()),
            other => Err(other.to_string()),
        }
    })
    .await;
    host.log_in().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_holds_for_a_day_at_its_own_origin_alone() {
    const DAY: i64 = 24 * 3600 * 1000;
    let host = PageHost::start().await;
    let login = host.try_log_in("board", "board-key", BOARD_ORIGIN).await;
    let (token, expiration) = (
        login.text("token"),
        login.json["expiration"].as_i64().unwrap(),
    );
    let left = expiration - now();
    assert!((DAY - 60_000..=DAY).contains(&left), "{left} ms");
    let elsewhere = host.ask("GET", "/api/devices", TILL_ORIGIN, &token).await;
    assert_eq!(
        (elsewhere.status, elsewhere.code()),
        (403, "authentication.origin")
    );
    // The same token a day later, by the key that only the daemon's user reads.
    let file = host.home.folder.path().join("state/web.key");
    let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let key = Secret::new(std::fs::read_to_string(file).unwrap().trim());
    let mut claims: Value = login::verify(&Secret::new(&token), &key).unwrap();
    let again = login::sign(&claims, &key);
    let list = host
        .ask("GET", "/api/devices", BOARD_ORIGIN, again.expose())
        .await;
    assert_eq!(list.status, 200, "{list:?}");
    // By both clocks that tokens go by.
    claims["expiration"] = (now() - 1).into();
    claims["boot"]["until"] = 0.into();
    let over = login::sign(&claims, &key);
    let list = host
        .ask("GET", "/api/devices", BOARD_ORIGIN, over.expose())
        .await;
    assert_eq!(
        (list.status, list.code()),
        (401, "authentication.token.expired")
    );
    let refused = Page::try_open(&host, over.expose()).await.err().unwrap();
    assert_eq!(refused.status, 401, "{refused:?}");
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(now.unwrap_or(Duration::ZERO).as_millis()).unwrap()
}
