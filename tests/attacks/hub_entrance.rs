//! Strangers at the embedded network who want to get in: passwords, pairing codes, tokens, keys.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Instant;

use expd_domain::Secret;
use expd_domain::login;
use expd_test_support::process::Home;
use futures_util::future::join_all;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;

use crate::attacked_daemon::{ALONE, STANDSTILL};
use crate::attacked_hub::{ELSEWHERE, HERE, Hub, WHO, app, device, unpaired, user};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_passwords_keep_no_right_one_waiting() {
    let _alone = ALONE.lock().await;
    let hub = Hub::start();
    let (ada, joe) = (user("ada", "ada's password"), user("joe", "joe's password"));
    let wrong = |number: usize| match number % 2 {
        0 => user("ada", &format!("guess {number}")),
        _ => user(&format!("nobody {number}"), "guess"),
    };
    let logins: Vec<_> = (0..400).map(wrong).collect();
    let flood = join_all(logins.iter().map(|login| hub.log_in(HERE, login)));
    let others = async {
        // Another user, and the same one from another address.
        hub.token(HERE, &joe).await;
        hub.token(ELSEWHERE, &ada).await;
        hub.token(HERE, &device()).await;
    };
    let (refused, ()) = tokio::join!(flood, others);
    let mut told_to_wait = 0;
    for answer in refused.into_iter().flatten() {
        assert!([401, 429, 503].contains(&answer.status), "{answer:?}");
        if answer.status == 429 {
            assert!(answer.head.contains("\r\nretry-after: "), "{answer:?}");
            answer.code();
            told_to_wait += 1;
        }
    }
    assert!(told_to_wait > 100, "{told_to_wait} were told to wait");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pairing_codes_are_taken_at_a_pace_and_others_get_theirs() {
    let hub = Hub::start();
    let (mut taken, mut told_to_wait) = (0, 0);
    let begun = Instant::now();
    for _ in 0..1000 {
        let answer = hub.log_in(HERE, &unpaired()).await.unwrap();
        if answer.status == 200 {
            taken += 1;
            continue;
        }
        assert_eq!((answer.status, &*answer.code()), (429, "pairing.tooOften"));
        assert!(answer.head.contains("\r\nretry-after: "), "{answer:?}");
        told_to_wait += 1;
    }
    let pace = usize::try_from(begun.elapsed().as_secs()).unwrap();
    assert!(taken <= 40 + pace, "{taken} codes were taken");
    assert!(told_to_wait > 0);
    let answer = hub.log_in(ELSEWHERE, &unpaired()).await.unwrap();
    let code = answer.json()["identity"]["pairingCode"]
        .as_str()
        .unwrap()
        .to_owned();
    // The operator's key is found without being told.
    let paired = hub.operate(&["pair", &code]).await;
    assert!(paired.status.success(), "{paired:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_makes_a_session_of_what_the_settings_hold() {
    let hub = Hub::with(
        "[[hub.consumer_apps]]\nuuid = \"app\"\napi_key = \"app key\"\n",
        &[],
    );
    // Whoever knows all of the settings makes what key they can of them.
    let mut digest = Sha256::new_with_prefix("expd hub: session tokens");
    for text in ["demo", "app", "app key"] {
        digest.update(text.len().to_be_bytes());
        digest.update(text);
    }
    let digest = digest
        .finalize()
        .iter()
        .fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        });
    let own = hub.token(HERE, &app()).await;
    let claims = login::peek::<serde_json::Value>(&Secret::new(own)).unwrap();
    for key in [&*digest, "app key", ""] {
        let forged = login::sign(&claims, &Secret::new(key));
        let head = format!(
            "POST /api/auth/token HTTP/1.1\r\nAuthorization: Bearer {}",
            forged.expose()
        );
        let answer = hub.ask(HERE, &head, b"").await.unwrap();
        assert_eq!(
            (answer.status, &*answer.code()),
            (401, "authentication.token.invalid")
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_outlives_a_restart_by_a_key_that_is_its_owners_alone() {
    let mut hub = Hub::start();
    let token = hub.token(HERE, &device()).await;
    let folder = hub.home.folder.path().join("state/hub");
    for name in ["token.key", "operator.key"] {
        let mode = std::fs::metadata(folder.join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    hub.daemon.signal("TERM");
    assert!(hub.daemon.ended().success());
    let settings = std::fs::read_to_string(hub.home.config()).unwrap();
    let again = Hub::with(
        WHO,
        &[(
            "EXPD__DAEMON__STATE_DIR",
            folder.parent().unwrap().to_str().unwrap(),
        )],
    );
    assert!(settings.contains("screen secret"));
    let head = format!("POST /api/auth/token HTTP/1.1\r\nAuthorization: Bearer {token}");
    assert_eq!(again.ask(HERE, &head, b"").await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operators_calls_need_its_key_on_this_host_too() {
    let hub = Hub::start();
    let code = json!({"code": "abcdef"});
    for path in ["/hub/pair", "/hub/unpair"] {
        let answer = hub.post(HERE, path, &code).await.unwrap();
        assert_eq!((answer.status, &*answer.code()), (401, "operator.key"));
    }
    let answer = hub
        .ask(HERE, "GET /hub/counters HTTP/1.1", b"")
        .await
        .unwrap();
    assert_eq!((answer.status, &*answer.code()), (401, "operator.key"));
    let unpaired = hub.operate(&["unpair", "screen"]).await;
    assert!(unpaired.status.success(), "{unpaired:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_whose_name_leads_here_is_refused() {
    let hub = Hub::start();
    for host in [
        "evil.example",
        "evil.example:9000",
        "127.0.0.1.evil.example",
        "10.0.0.1",
    ] {
        for path in [
            "/api/auth/login",
            "/hub/counters",
            "/socket.io/?EIO=4&transport=polling",
        ] {
            let head = format!("GET {path} HTTP/1.1\r\nHost: {host}");
            let answer = hub.ask(HERE, &head, b"").await.unwrap();
            assert_eq!(
                (answer.status, &*answer.code()),
                (421, "request.host.foreign")
            );
        }
    }
    for host in ["localhost", "127.0.0.1:1", "[::1]:9000", "expd.localhost"] {
        let head = format!("GET /nowhere HTTP/1.1\r\nHost: {host}");
        assert_eq!(
            hub.ask(HERE, &head, b"").await.unwrap().status,
            404,
            "{host}"
        );
    }
    let behind_a_proxy = Hub::with(
        WHO,
        &[("EXPD__HUB__HOSTS", "exp.example.org,other.example")],
    );
    for (host, status) in [
        ("exp.example.org", 404),
        ("EXP.example.org:443", 404),
        ("evil.example", 421),
    ] {
        let head = format!("GET /nowhere HTTP/1.1\r\nHost: {host}");
        assert_eq!(
            behind_a_proxy.ask(HERE, &head, b"").await.unwrap().status,
            status,
            "{host}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_are_for_this_hosts_programs_whoever_else_is_silent() {
    let home = Home::new("metrics = \"127.0.0.1:0\"\n");
    let mut daemon = home.start();
    let said = daemon.said("metrics at http://");
    let (_, address) = said.split_once("http://").unwrap();
    let hub = Hub {
        address: address.trim_end_matches("/metrics").parse().unwrap(),
        home,
        daemon,
    };
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(hub.connect(HERE).await);
    }
    let ask = |host: &str| {
        let head = format!("GET /metrics HTTP/1.1\r\nHost: {host}");
        let hub = &hub;
        async move {
            timeout(STANDSTILL, hub.ask(HERE, &head, b""))
                .await
                .unwrap()
                .unwrap()
        }
    };
    for host in ["localhost:1", "127.0.0.1", "[::1]"] {
        let answer = ask(host).await;
        assert!(
            answer.status == 200 && answer.body.contains("expd_build_info"),
            "{answer:?}"
        );
    }
    for host in ["evil.example", "10.0.0.1"] {
        let answer = ask(host).await;
        assert_eq!(answer.status, 421);
        assert!(answer.body.contains("loopback"), "{answer:?}");
    }
}
