//! Pairing: the key that a device is given, kept, used, lost and taken away.

mod embedded;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use expd::config::{Credentials, InstanceSettings};
use expd::metrics::Counters;
use expd::upstream::session::{Session, SessionState};
use expd_domain::Secret;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::world::*;
use expd_test_support::cloud::{Cloud, Reply, Request, now_millis};
use expd_test_support::in_time;

fn unpaired() -> Credentials {
    Credentials::Device {
        uuid: None,
        secret: None,
        allow_pairing: true,
    }
}

fn configured(uuid: &str, secret: &str) -> Credentials {
    Credentials::Device {
        uuid: Some(uuid.into()),
        secret: Some(Secret::new(secret)),
        allow_pairing: true,
    }
}

/// Knows the device `paired` with the secret `good`; everybody else waits to be paired, each login
/// and refresh with a new code.
async fn network(life_ms: i64) -> Cloud {
    let codes = std::sync::atomic::AtomicUsize::new(0);
    Cloud::start(move |request, before| {
        let code = || {
            let next = codes.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            format!("code0{next}")
        };
        let knows = |request: &Request| {
            let body: Value = serde_json::from_str(&request.body).unwrap();
            let token = Secret::new(body["token"].as_str().unwrap());
            let claims = request.claims();
            claims.uuid() == "paired"
                && expd_domain::login::verify::<expd_domain::login::Claims>(
                    &token,
                    &Secret::new("good"),
                )
                .is_ok()
        };
        let identity = if request.is_login() && knows(request) {
            json!({"uuid": "paired", "type": "device", "organization": "demo"})
        } else {
            json!({"type": "device", "pairingCode": code()})
        };
        Reply::json(
            200,
            &json!({
                "token": format!("t{before}"),
                "expiration": now_millis() + life_ms,
                "identity": identity,
            }),
        )
    })
    .await
}

fn code(state: &SessionState) -> Option<&str> {
    state
        .session()?
        .authentication
        .identity
        .pairing_code
        .as_deref()
}

fn start(settings: &InstanceSettings, folder: &Path) -> Instance {
    Instance::with(settings, Some(folder), hurried())
}

fn kept_in(folder: &Path) -> PathBuf {
    folder.join("default.credentials.json")
}

fn kept_uuid(folder: &Path) -> Option<String> {
    let text = fs::read_to_string(kept_in(folder)).ok()?;
    let kept: Value = serde_json::from_str(&text).unwrap();
    Some(kept["uuid"].as_str().unwrap().to_owned())
}

async fn is_paired(instance: &Instance) {
    let paired = |state: &SessionState| {
        state
            .session()
            .is_some_and(|s| s.authentication.identity.uuid == "paired")
    };
    instance.becomes(paired).await;
}

async fn waits_to_be_paired(instance: &Instance) {
    instance.becomes(|state| code(state).is_some()).await;
}

#[tokio::test]
async fn a_device_is_paired_keeps_its_key_and_has_it_after_a_restart() {
    let cloud = network(3_600_000).await;
    let settings = settings(&cloud.url, unpaired());
    let home = TempDir::new().unwrap();
    let folder = home.path().join("state");
    let instance = start(&settings, &folder);
    waits_to_be_paired(&instance).await;
    assert_eq!(cloud.requests()[0].claims().uuid(), "_");

    instance
        .session
        .paired("paired".into(), Secret::new("good"));
    is_paired(&instance).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&kept_in(&folder)), 0o600);
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(
        fs::read_dir(&folder).unwrap().count(),
        1,
        "nothing but the key"
    );
    instance.stop().await;

    let instance = start(&settings, &folder);
    is_paired(&instance).await;
    assert_eq!(cloud.logins(), 3);

    instance.session.unpaired();
    waits_to_be_paired(&instance).await;
    assert_eq!(kept_uuid(&folder), None);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "nothing is left");
}

#[tokio::test]
async fn a_waiting_device_stays_waiting_through_refreshes_and_shows_the_newest_code() {
    let cloud = network(1000).await;
    let home = TempDir::new().unwrap();
    let instance = start(&settings(&cloud.url, unpaired()), home.path());
    for expected in ["code00", "code01", "code02"] {
        instance
            .becomes(|state| code(state) == Some(expected))
            .await;
    }
    assert_eq!((cloud.logins(), cloud.refreshes()), (1, 2));
    instance
        .session
        .paired("paired".into(), Secret::new("good"));
    is_paired(&instance).await;
}

#[tokio::test]
async fn credentials_for_others_are_passed_over() {
    let cloud = network(3_600_000).await;
    let home = TempDir::new().unwrap();
    let instance = start(
        &settings(&cloud.url, configured("paired", "good")),
        home.path(),
    );
    is_paired(&instance).await;
    // An app listens on the pairing channel, and another device is paired.
    instance
        .session
        .paired("other".into(), Secret::new("its secret"));
    // The next thing is done after that one.
    instance.session.unpaired();
    instance.newer_than(1).await;
    is_paired(&instance).await;
    assert_eq!(
        cloud.count(|r| r.is_login() && r.claims().uuid() == "other"),
        0
    );
    assert_eq!(kept_uuid(home.path()), None);
}

#[tokio::test]
async fn a_key_is_not_lost_among_many_who_find_the_token_refused() {
    let waiting = || {
        json!({
            "token": "t", "expiration": now_millis() + 60_000,
            "identity": {"type": "device", "pairingCode": "abcdef"},
        })
    };
    let cloud = Cloud::start(move |request, before| match before {
        // While the session is busy with this one, all the news has to wait.
        1 => Reply::json(200, &waiting()).after(Duration::from_millis(300)),
        _ if request.claims().uuid() == "paired" => Reply::json(
            200,
            &json!({
                "token": "p", "expiration": now_millis() + 60_000,
                "identity": {"uuid": "paired", "type": "device", "organization": "demo"},
            }),
        ),
        _ => Reply::json(200, &waiting()),
    })
    .await;
    let home = TempDir::new().unwrap();
    let instance = start(&settings(&cloud.url, unpaired()), home.path());
    waits_to_be_paired(&instance).await;
    instance.session.reject(1);
    until("a login begins", || cloud.logins() == 2).await;
    for _ in 0..1000 {
        instance.session.reject(1);
    }
    instance
        .session
        .paired("paired".into(), Secret::new("good"));
    is_paired(&instance).await;
    assert_eq!(kept_uuid(home.path()).unwrap(), "paired");
    assert_eq!(cloud.logins(), 3);
}

#[tokio::test]
async fn half_a_key_is_no_key() {
    let cloud = network(3_600_000).await;
    let home = TempDir::new().unwrap();
    let instance = start(&settings(&cloud.url, unpaired()), home.path());
    waits_to_be_paired(&instance).await;
    instance.session.paired("paired".into(), Secret::new(""));
    instance.session.paired(String::new(), Secret::new("good"));
    instance
        .session
        .paired("paired".into(), Secret::new("good"));
    is_paired(&instance).await;
    assert_eq!(cloud.logins(), 2);
}

#[tokio::test]
async fn refused_settings_lead_to_pairing_and_its_key_outlives_a_restart() {
    let cloud = network(3_600_000).await;
    let home = TempDir::new().unwrap();
    let old = settings(&cloud.url, configured("removed", "old"));
    let instance = start(&old, home.path());
    waits_to_be_paired(&instance).await;
    assert_eq!(cloud.requests()[0].claims().uuid(), "removed");
    instance
        .session
        .paired("paired".into(), Secret::new("good"));
    is_paired(&instance).await;
    instance.stop().await;
    // The same settings, which the network refuses: the key holds.
    let instance = start(&old, home.path());
    is_paired(&instance).await;
    instance.stop().await;
    // The operator's newer word holds above an older key.
    let new = settings(&cloud.url, configured("new", "wrong"));
    let instance = start(&new, home.path());
    waits_to_be_paired(&instance).await;
    assert_eq!(cloud.requests().last().unwrap().claims().uuid(), "new");
    assert_eq!(
        kept_uuid(home.path()).unwrap(),
        "paired",
        "it is not thrown away"
    );
}

/// Knows everybody but from the login of that number on, for as many logins: then it has everybody
/// wait to be paired.
async fn forgetful(from: usize, logins: usize, life_ms: i64) -> Cloud {
    let count = std::sync::atomic::AtomicUsize::new(0);
    Cloud::start(move |request, before| {
        let login = count.fetch_add(
            usize::from(request.is_login()),
            std::sync::atomic::Ordering::SeqCst,
        );
        let forgets = !request.is_login() || (from..from + logins).contains(&login);
        let identity = if forgets {
            json!({"type": "device", "pairingCode": format!("code0{before}")})
        } else {
            json!({"uuid": "paired", "type": "device", "organization": "demo"})
        };
        let expiration = now_millis() + life_ms;
        let token = format!("t{before}");
        Reply::json(
            200,
            &json!({"token": token, "expiration": expiration, "identity": identity}),
        )
    })
    .await
}

#[tokio::test]
async fn a_device_that_the_network_forgot_for_a_moment_needs_no_pairing() {
    let cloud = forgetful(1, 2, 3_600_000).await;
    let home = TempDir::new().unwrap();
    let instance = start(
        &settings(&cloud.url, configured("paired", "good")),
        home.path(),
    );
    let first = instance.logs_in().await;
    instance.session.reject(first.serial);
    waits_to_be_paired(&instance).await;
    is_paired(&instance).await;
    assert_eq!((cloud.logins(), cloud.refreshes()), (4, 0));
}

#[tokio::test]
async fn a_device_that_the_network_does_not_know_yet_goes_on_proving_who_it_is() {
    let cloud = forgetful(0, 2, 1000).await;
    let home = TempDir::new().unwrap();
    let instance = start(
        &settings(&cloud.url, configured("paired", "good")),
        home.path(),
    );
    waits_to_be_paired(&instance).await;
    is_paired(&instance).await;
    assert_eq!(cloud.logins(), 3);
}

#[tokio::test]
async fn a_key_from_an_older_version_holds() {
    let cloud = network(3_600_000).await;
    let home = TempDir::new().unwrap();
    fs::write(kept_in(home.path()), r#"{"uuid":"paired","secret":"good"}"#).unwrap();
    let instance = start(
        &settings(&cloud.url, configured("removed", "old")),
        home.path(),
    );
    is_paired(&instance).await;
}

#[tokio::test]
async fn a_key_that_cannot_be_stored_works_and_is_stored_as_soon_as_that_is_possible() {
    let cloud = network(3_600_000).await;
    let home = TempDir::new().unwrap();
    let folder = home.path().join("state");
    let instance = start(&settings(&cloud.url, unpaired()), &folder);
    waits_to_be_paired(&instance).await;
    // Root writes past permissions: a file in the folder's place stops everybody.
    fs::remove_dir(&folder).unwrap();
    fs::write(&folder, "in the way").unwrap();
    instance
        .session
        .paired("paired".into(), Secret::new("good"));
    is_paired(&instance).await;
    assert_eq!(kept_uuid(&folder), None);
    fs::remove_file(&folder).unwrap();
    until("the key is stored", || kept_uuid(&folder).is_some()).await;
    assert_eq!(cloud.logins(), 2, "storing needs no login");
    instance.stop().await;
}

#[tokio::test]
async fn what_is_no_key_is_set_aside_and_pairing_goes_on() {
    let cloud = network(3_600_000).await;
    for nonsense in [
        "",
        "{",
        "[]",
        "{\"uuid\":\"u\"}",
        "{\"uuid\":\"\",\"secret\":\"s\"}",
        "\0\0\0\0",
    ] {
        let home = TempDir::new().unwrap();
        fs::write(kept_in(home.path()), nonsense).unwrap();
        let instance = start(&settings(&cloud.url, unpaired()), home.path());
        waits_to_be_paired(&instance).await;
        let aside = home.path().join("default.credentials.unreadable");
        assert_eq!(fs::read_to_string(aside).unwrap(), nonsense);
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_told_before_anything_starts() {
    let settings = settings("http://127.0.0.1:1", unpaired());
    let home = TempDir::new().unwrap();
    let file = home.path().join("file");
    fs::write(&file, "").unwrap();
    let open = |folder: Option<&Path>| {
        Session::new("default", &settings, folder, Counters::default().into())
    };
    let refusal = |folder: Option<&Path>| open(folder).err().unwrap().to_string();
    let said = refusal(Some(&file.join("state")));
    assert!(
        said.contains("file/state/default.credentials.json"),
        "{said}"
    );
    assert!(said.contains("state_dir"), "{said}");
    let said = refusal(Some(Path::new("/proc/nowhere")));
    assert!(said.contains("/proc/nowhere"), "{said}");
    assert!(refusal(None).contains("set daemon.state_dir"));
}

#[tokio::test]
async fn a_pairing_identity_that_cannot_be_refreshed_gets_a_new_code_without_a_failure() {
    let cloud = Cloud::start(|request, before| {
        if request.is_refresh() {
            return Reply::refused("not for those that wait to be paired");
        }
        Reply::json(
            200,
            &json!({
                "token": format!("t{before}"), "expiration": now_millis() + 1000,
                "identity": {
                    "type": "device", "uuid": null, "organization": null,
                    "isPairing": true, "pairingCode": format!("code0{before}"),
                },
            }),
        )
    })
    .await;
    let folder = TempDir::new().unwrap();
    let instance = start(&settings(&cloud.url, unpaired()), folder.path());
    let mut states = instance.session.watch();
    let mut codes = Vec::new();
    while codes.len() < 3 {
        let state = states.borrow_and_update().clone();
        match &state {
            SessionState::LoggedIn(_) => codes.push(code(&state).unwrap().to_owned()),
            SessionState::LoggingIn {
                attempt,
                last_error,
            } => {
                assert_eq!((*attempt, last_error), (1, &None));
            }
            other => panic!("{other:?}"),
        }
        in_time("another state", states.changed()).await.unwrap();
    }
    codes.dedup();
    assert!(codes.len() >= 2, "{codes:?}");
    assert!(cloud.refreshes() >= 1 && cloud.logins() >= 2);
}
