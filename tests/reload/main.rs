//! A reload of the settings while two listeners hear a broadcast every 20 ms on two instances: what
//! may stay, stays, and nothing is lost in silence.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod asked;
mod keys;
mod scene;

use std::time::Duration;

use expd_client::{Client, ClientError, EventStream};
use expd_domain::{Channel, Payload, Secret};
use expd_test_support::network::Network;
use expd_test_support::transcript::{Transcript, numbers, signals};
use expd_test_support::{DEADLINE, eventually};

use scene::{Scene, device, in_a_row, on, user};

/// Rules that open two channels to everybody.
const RULES: &str = "[[access]]\nchannels = [\"menu\", \"other\"]\nallow = [\"listen\", \"broadcast\", \"status\"]\n";

fn refusal(listened: Result<EventStream, ClientError>) -> String {
    match listened {
        Err(error) => error.to_string(),
        Ok(_) => panic!("not refused"),
    }
}

async fn broadcast(client: &Client, payload: &str) -> Result<(), String> {
    let payload = Payload::parse(payload).unwrap();
    let channel = Channel::new("other");
    let sent = client.broadcast("left", &channel, "hi", &payload, None);
    sent.await.map(drop).map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_log_level_and_limits_change_and_no_stream_notices() {
    let mut scene = Scene::start().await;
    let settings = |limits: &str| {
        format!(
            "{}[daemon]\nlog = \"debug\"\n[daemon.limits]\nmax_payload = \"1KiB\"\n{limits}\n{RULES}",
            scene.both()
        )
    };
    let three = settings("max_listeners = 3\nlog_events = 40");
    let one = settings(
        "log_events = 40\nmax_listeners = 1\nmax_calls = 1\nmax_channels = 1\nmax_connections = 1",
    );
    let many = settings("max_listeners = 10\n[daemon.limits.user]\nmax_listeners = 10");
    scene.reload(&three);
    scene.both_go_on().await;
    let client = scene.client().await;
    let closed = refusal(client.listen(&on("left", "closed")).await);
    assert!(closed.contains("listen"), "{closed}");
    // One more listener is taken, and none after it.
    let third = Transcript::open(&client, &on("left", "menu")).await;
    third.until_confirmed().await;
    let full = refusal(client.listen(&on("left", "menu")).await);
    assert!(full.contains("daemon.limits.max_listeners"), "{full}");
    broadcast(&client, "\"short\"").await.unwrap();
    let long = format!("\"{}\"", "x".repeat(2000));
    let refused = broadcast(&client, &long).await.unwrap_err();
    assert!(refused.contains("daemon.limits.max_payload"), "{refused}");
    // Limits below what is held take nothing of it, and nothing is added to it.
    scene.reload(&one);
    scene.both_go_on().await;
    assert_eq!(*third.ended.lock().unwrap(), None);
    let full = refusal(client.listen(&on("left", "menu")).await);
    assert!(
        full.contains("of 1 in total (daemon.limits.max_listeners)"),
        "{full}"
    );
    // On the connection that is there: no other is let in.
    let other = async { Client::connect(Some(scene.socket())).await?.status().await };
    other.await.unwrap_err();
    let status = client.status().await.unwrap();
    let left = status.instances.iter().find(|it| it.instance == "left");
    let menu = left
        .unwrap()
        .channels
        .iter()
        .find(|it| it.channel.name == "menu");
    assert_eq!(
        menu.unwrap().log_events,
        40,
        "of {}",
        scene.book.sent().len()
    );
    // What is raised counts at once.
    scene.reload(&many);
    let fourth = Transcript::open(&client, &on("left", "other")).await;
    fourth.until_confirmed().await;
    scene.both_go_on().await;
    scene.noticed_nothing(&scene.left);
    scene.noticed_nothing(&scene.right);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_added_instance_starts_and_a_removed_one_ends_its_streams_alone() {
    let mut scene = Scene::start().await;
    let with_third = scene.both() + &scene.device("third", "third");
    let client = scene.client().await;
    // Under the same name again, and again.
    for _ in 0..3 {
        let said = scene.reload(&with_third);
        assert!(said.contains("instances added: third"), "{said}");
        let third = Transcript::open(&client, &on("third", "menu")).await;
        third.until_confirmed().await;
        scene.goes_on(&third).await;
        // Its counters begin anew each time.
        let connects = "expd_connects_total{exp_instance=\"third\"} 1";
        let metrics = scene.metrics_of("third");
        assert!(metrics.iter().any(|line| line == connects), "{metrics:#?}");
        let said = scene.reload(&scene.both());
        assert!(said.contains("instances removed: third"), "{said}");
        assert_eq!(scene.metrics_of("third"), Vec::<String>::new());
        let why = end_of(&third).await;
        assert!(why.contains("no longer in the settings"), "{why}");
        in_a_row(&numbers(&third.heard()));
        let unknown = refusal(client.listen(&on("third", "menu")).await);
        assert!(unknown.contains("no instance is named"), "{unknown}");
        assert!(scene.status("third").await.is_none());
    }
    scene.both_go_on().await;
    assert!(!scene.metrics_of("left").is_empty());
    scene.noticed_nothing(&scene.left);
    scene.noticed_nothing(&scene.right);
}

async fn end_of(ear: &Transcript) -> String {
    eventually("the stream ends", async || {
        let ended = ear.ended.lock().unwrap().clone();
        ended.ok_or_else(|| format!("{:?}", ear.heard().last()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_secret_in_the_same_file_logs_in_anew_make_before_break() {
    let mut scene = Scene::quiet(user).await;
    // The network learns of the new password, and goes on with the tokens that it gave.
    scene.network.stop().await;
    let hash = expd_hub::hash_password(&Secret::new("new")).unwrap();
    scene.network.settings.users[0].password_hash = hash;
    scene.network.start_again().await;
    let client = scene.client().await;
    for (ear, instance) in [(&mut scene.left, "left"), (&mut scene.right, "right")] {
        let back = ["Gap Offline", "Confirmed"].map(str::to_owned);
        ear.until("the end of the outage", DEADLINE, |heard| {
            signals(heard).ends_with(&back)
        })
        .await;
        *ear = Transcript::open(&client, &on(instance, "menu")).await;
        ear.until_confirmed().await;
    }
    scene.begin().await;
    let (left, right) = (scene.counters("left").await, scene.counters("right").await);
    std::fs::write(scene.folder.path().join("password"), "new").unwrap();
    let settings = user(&scene.folder, &scene.network.url()) + &scene.device("right", "door");
    let said = scene.reload(&settings);
    assert!(
        said.contains("instances changed, logging in again: left"),
        "{said}"
    );
    let (logins, connects, disconnects) = left;
    eventually("the connection of the new login takes over", async || {
        let now = scene.counters("left").await;
        let wanted = (logins + 1, connects + 1, disconnects);
        (now == wanted).then_some(()).ok_or(format!("{now:?}"))
    })
    .await;
    scene.both_go_on().await;
    assert_eq!(scene.counters("right").await, right);
    scene.noticed_nothing(&scene.left);
    scene.noticed_nothing(&scene.right);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_host_of_the_same_network_takes_over_without_a_word_to_listeners() {
    let mut scene = Scene::start().await;
    let (_, connects, disconnects) = scene.counters("left").await;
    let port = scene.network.address().port();
    let elsewhere = format!("http://localhost:{port}");
    let settings =
        device(&scene.folder, "left", &elsewhere, "screen") + &scene.device("right", "door");
    scene.reload(&settings);
    eventually("the connection to the other host takes over", async || {
        let status = scene.status("left").await.unwrap();
        let taken = status.host == elsewhere && status.counters.connects == connects + 1;
        taken.then_some(()).ok_or(format!("{status:?}"))
    })
    .await;
    scene.both_go_on().await;
    assert_eq!(scene.counters("left").await.2, disconnects);
    scene.noticed_nothing(&scene.left);
    scene.noticed_nothing(&scene.right);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_is_gone_is_left_for_another_and_the_gap_is_told() {
    let mut scene = Scene::start().await;
    let other = Network::start_for_with(&["screen", "door"], |_| {}).await;
    scene.network.kill().await;
    eventually("the connection is lost", async || {
        let told = signals(&scene.left.heard());
        (told.last().is_some_and(|last| last == "Pending"))
            .then_some(())
            .ok_or(format!("{told:?}"))
    })
    .await;
    let url = other.url();
    let settings = device(&scene.folder, "left", &url, "screen")
        + &device(&scene.folder, "right", &url, "door");
    scene.reload(&settings);
    scene.left.until_confirmed().await;
    scene.right.until_confirmed().await;
    scene.begin_from(other.sender()).await;
    scene.both_go_on().await;
    for ear in [&scene.left, &scene.right] {
        let told = signals(&ear.heard());
        assert!(
            told.ends_with(&["Pending", "Gap Offline", "Confirmed"].map(str::to_owned)),
            "{told:?}"
        );
        scene.lost_nothing_untold(ear);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_identity_is_told_as_a_gap_and_another_type_ends_the_streams() {
    let mut scene = Scene::start().await;
    let right = scene.device("right", "door");
    scene.reload(&(scene.device("left", "third") + &right));
    eventually("the other identity is there", async || {
        let status = scene.status("left").await.unwrap();
        let uuid = status.identity.as_ref().map(|it| it.uuid.clone());
        (uuid.as_deref() == Some("third"))
            .then_some(())
            .ok_or(format!("{status:?}"))
    })
    .await;
    scene.both_go_on().await;
    let told = signals(&scene.left.heard());
    assert!(
        told.ends_with(&["Pending", "Gap Offline", "Confirmed"].map(str::to_owned)),
        "{told:?}"
    );
    scene.lost_nothing_untold(&scene.left);
    let user = user(&scene.folder, &scene.network.url());
    let said = scene.reload(&(user + &right));
    assert!(said.contains("instances replaced: left"), "{said}");
    let why = end_of(&scene.left).await;
    assert!(why.contains("a reload has replaced the instance"), "{why}");
    let client = scene.client().await;
    let again = Transcript::open(&client, &on("left", "menu")).await;
    scene.goes_on(&again).await;
    scene.noticed_nothing(&scene.right);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_credentials_leave_the_streams_and_are_told() {
    let mut scene = Scene::start().await;
    let file = scene.folder.path().join("left.screen.secret");
    std::fs::write(&file, "wrong").unwrap();
    scene.reload(&scene.both());
    scene.daemon.said("EXP refuses the credentials");
    eventually("the status says so", async || {
        let error = scene.status("left").await.unwrap().link.last_error;
        (error.contains("refuses the credentials"))
            .then_some(())
            .ok_or(error)
    })
    .await;
    scene.both_go_on().await;
    // The operator corrects it: the next try is not waited for.
    std::fs::write(
        &file,
        expd_test_support::network::secret_of("screen").expose(),
    )
    .unwrap();
    scene.reload(&scene.both());
    scene.daemon.said("logged in as device screen");
    scene.both_go_on().await;
    scene.noticed_nothing(&scene.left);
    scene.noticed_nothing(&scene.right);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_with_a_mistake_is_refused_as_a_whole() {
    let mut scene = Scene::start().await;
    let third = scene.device("third", "third");
    // A mistake of the file, which is found before anything; one of the host, after all else.
    std::fs::write(scene.folder.path().join("state"), "no folder").unwrap();
    let url = scene.network.url();
    let unusable = format!(
        "[instances.zeta]\nhost = \"{url}\"\n[instances.zeta.credentials]\ntype = \"device\"\nallow_pairing = true\n"
    );
    for (mistake, told) in [
        (
            "[daemon.limits]\nmax_listeners = 0\n",
            "expd.toml:14: daemon.limits.max_listeners: ",
        ),
        (&*unusable, "state/zeta.credentials.json"),
    ] {
        let changed = device(&scene.folder, "left", &url, "third");
        let settings = format!("{changed}{third}{mistake}{RULES}");
        scene.write(&settings);
        scene.daemon.signal("HUP");
        scene.daemon.said(told);
        scene.both_go_on().await;
        // Nothing of it was taken: no instance, no rule, no credentials.
        assert!(scene.status("third").await.is_none());
        let uuid = scene.status("left").await.unwrap().identity.unwrap().uuid;
        assert_eq!(uuid, "screen");
        let client = scene.client().await;
        let closed = Transcript::open(&client, &on("left", "closed")).await;
        closed.until_confirmed().await;
    }
    scene.noticed_nothing(&scene.left);
    scene.noticed_nothing(&scene.right);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_at_once_during_logins_and_while_offline_end_all_the_same() {
    let mut scene = Scene::start().await;
    let (without, with_third) = (scene.both(), scene.both() + &scene.device("third", "third"));
    for turn in 0..20 {
        scene.write(if turn % 2 == 0 { &with_third } else { &without });
        scene.daemon.signal("HUP");
        tokio::time::sleep(Duration::from_millis(turn)).await;
    }
    scene.becomes(&without, false).await;
    scene.both_go_on().await;
    scene.noticed_nothing(&scene.left);
    scene.noticed_nothing(&scene.right);

    scene.network.stop().await;
    scene.daemon.said("not connected");
    scene.becomes(&with_third, true).await;
    let client = scene.client().await;
    let third = Transcript::open(&client, &on("third", "menu")).await;
    scene.becomes(&without, false).await;
    scene.becomes(&with_third, true).await;
    let third_again = Transcript::open(&client, &on("third", "menu")).await;
    scene.network.start_again().await;
    scene.both_go_on().await;
    scene.goes_on(&third_again).await;
    scene.lost_nothing_untold(&scene.left);
    scene.lost_nothing_untold(&scene.right);
    end_of(&third).await;
    // It ends as it is told to, whatever was added and removed.
    scene.daemon.signal("TERM");
    assert!(scene.daemon.ended().success(), "{}", scene.daemon.heard());
}
