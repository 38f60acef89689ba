//! Apps that are killed in mid-stream, and come back.

use std::time::Duration;

use expd_client::{Event, Gap, GapReason, Listen};
use expd_domain::Channel;

use crate::app::App;
use crate::scene::{CHANNEL, Scene};
use expd_test_support::judge::{Life, judge};
use expd_test_support::transcript::{Heard, Transcript, numbers, signals};
use expd_test_support::{DEADLINE, eventually};

/// Age limit of what a log holds, where it is to be reached.
const LOG_AGE: Duration = Duration::from_secs(1);

/// An app starts again after a position, and deals with everything up to the first broadcast: what
/// it is told before that.
async fn told_first(app: &mut App) -> Vec<Gap> {
    app.until(|event| matches!(event, Event::Broadcast(_)))
        .await;
    let said: Vec<&Event> = app.heard.iter().map(|h| &h.event.event).collect();
    assert!(matches!(said[0], Event::Subscription(_)), "{said:#?}");
    let gaps = said.iter().filter_map(|event| match event {
        Event::Gap(gap) => Some(gap.clone()),
        _ => None,
    });
    gaps.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_is_killed_in_mid_stream_goes_on_exactly_where_it_was() {
    let scene = Scene::new("").await;
    let _daemon = scene.start();
    let mut app = App::start(&scene.socket(), CHANNEL, None);
    app.until_confirmed().await;
    let (stop, mut sending) = scene.keep_sending(Duration::from_millis(2));
    let mut heard: Vec<Heard> = Vec::new();
    let mut lives = 0;
    for life in [1, 40, 3, 150, 2, 77, 1, 200] {
        for _ in 0..life {
            app.next().await;
        }
        let (dealt_with, position) = app.kill().await;
        heard.extend(dealt_with);
        lives += 1;
        app = App::start(&scene.socket(), CHANNEL, Some(&position));
    }
    stop.cancel();
    sending.join_next().await.unwrap().unwrap();
    // One that no earlier life can have dealt with.
    let last = scene.send(1).await;
    app.until_number(last).await;
    heard.extend(app.heard.clone());

    let wanted: Vec<u64> = (0..=last).collect();
    assert_eq!(numbers(&heard), wanted, "none missed, none twice");
    let told = signals(&heard);
    assert!(
        !told.iter().any(|signal| signal.contains("Gap")),
        "{told:?}"
    );
    eprintln!("{} broadcasts over {lives} deaths", wanted.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_comes_back_after_the_log_has_moved_on_is_told_first_how_much_it_missed() {
    for (limits, reason) in [
        ("log_events = 100", GapReason::Overflow),
        (
            &format!("log_age = \"{}s\"", LOG_AGE.as_secs()),
            GapReason::Expired,
        ),
    ] {
        let scene = Scene::new(&format!("[daemon.limits]\n{limits}\n")).await;
        let _daemon = scene.start();
        // It keeps the channel, and with it the log.
        let client = scene.online().await;
        let ear = Transcript::open(&client, &Listen::to(Channel::new(CHANNEL))).await;
        ear.until_confirmed().await;
        let mut app = App::start(&scene.socket(), CHANNEL, None);
        app.until_confirmed().await;
        scene.send(10).await;
        app.until_number(9).await;
        let (mut heard, position) = app.kill().await;
        scene.send(300).await;
        if reason == GapReason::Expired {
            // All that was sent grows too old, which nothing but time does.
            tokio::time::sleep(LOG_AGE + Duration::from_millis(50)).await;
        }
        let last = scene.send(50).await;
        ear.until("the last one", DEADLINE, |heard| {
            numbers(heard).last() == Some(&last)
        })
        .await;

        let mut app = App::start(&scene.socket(), CHANNEL, Some(&position));
        let gaps = told_first(&mut app).await;
        assert_eq!(gaps.len(), 1, "{gaps:?}");
        assert_eq!(gaps[0].reason, reason, "{gaps:?}");
        app.until_number(last).await;
        let got = numbers(&app.heard).len() as u64;
        assert_eq!(gaps[0].missed, Some(350 - got), "{gaps:?}");
        heard.extend(app.heard.clone());
        judge(None, &[Life::of(&heard)], &scene.book.sent(), None).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_comes_back_after_everybody_was_gone_is_told_first_that_the_log_is_another() {
    let scene = Scene::new("[daemon.limits]\nlog_age = \"1s\"\n").await;
    let _daemon = scene.start();
    let mut app = App::start(&scene.socket(), CHANNEL, None);
    app.until_confirmed().await;
    scene.send(5).await;
    app.until_number(4).await;
    let (_, position) = app.kill().await;
    // The channel goes with its last listener, after the log's span.
    let client = scene.client().await;
    eventually("the channel goes", async || {
        let status = client.status().await.unwrap();
        let channels = &status.instances[0].channels;
        let is_gone = channels.is_empty();
        is_gone.then_some(()).ok_or_else(|| format!("{channels:?}"))
    })
    .await;
    scene.send(5).await;
    let mut app = App::start(&scene.socket(), CHANNEL, Some(&position));
    app.until_confirmed().await;
    scene.send(1).await;
    let gaps = told_first(&mut app).await;
    assert_eq!(gaps[0].reason, GapReason::Restarted, "{gaps:?}");
    assert_eq!(numbers(&app.heard), [10]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_comes_back_to_another_daemon_is_told_so_first() {
    for signal in ["TERM", "KILL"] {
        let scene = Scene::new("").await;
        let mut daemon = scene.start();
        let mut app = App::start(&scene.socket(), CHANNEL, None);
        app.until_confirmed().await;
        scene.send(5).await;
        app.until_number(4).await;
        let (mut heard, position) = app.kill().await;
        daemon.signal(signal);
        daemon.ended();
        scene.send(5).await;
        let _daemon = scene.start();
        let mut app = App::start(&scene.socket(), CHANNEL, Some(&position));
        app.until_confirmed().await;
        scene.send(5).await;
        let gaps = told_first(&mut app).await;
        assert_eq!(gaps[0].reason, GapReason::Restarted, "{signal}: {gaps:?}");
        app.until_number(14).await;
        heard.extend(app.heard.clone());
        let sum = judge(None, &[Life::of(&heard)], &scene.book.sent(), None).unwrap();
        assert_eq!((sum.delivered, sum.missed), (10, 5), "{signal}: {sum:?}");
    }
}
