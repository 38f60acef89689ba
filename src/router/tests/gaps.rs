//! Tests of gaps, also where several causes come together.

use super::*;

fn resume(log_id: &str, after: u64) -> ListenSpec {
    ListenSpec {
        resume: Some(Resume {
            log_id: log_id.to_owned(),
            after,
        }),
        ..spec(None)
    }
}

fn small() -> Limits {
    Limits {
        log_events: 2,
        ..Limits::default()
    }
}

async fn read(listener: &mut Listener) -> Vec<Delivery> {
    let mut read = Vec::new();
    listener.read_some(&mut read).await.unwrap();
    read
}

/// Waits for the next tick of the clock, which may be coarse.
fn a_moment_later() -> Moment {
    let start = Moment::now();
    while Moment::now() <= start {}
    Moment::now()
}

#[tokio::test]
async fn an_app_that_ends_between_two_gaps_is_told_both_again() {
    let fixture = fixture(small());
    let mut slow = fixture.listen(spec(None)).await;
    fixture.confirm().await;
    assert_eq!(heard(&mut slow), ["Pending", "Confirmed"]);
    fixture.broadcast(&["a"]).await;
    fixture.lose().await;
    fixture.confirm().await;
    fixture.broadcast(&["b", "c", "d"]).await;
    let all = read(&mut slow).await;
    let words: Vec<String> = all.iter().map(in_words).collect();
    assert_eq!(words, ["Offline 0", "Overflow 2", "c@7", "d@8"]);
    let log_id = slow.log_id().to_owned();
    let mut after_the_first = fixture.listen(resume(&log_id, all[0].sequence)).await;
    assert_eq!(
        heard(&mut after_the_first),
        ["Confirmed", "Offline 0", "Overflow 2", "c@7", "d@8"]
    );
    let mut after_both = fixture.listen(resume(&log_id, all[1].sequence)).await;
    assert_eq!(heard(&mut after_both), ["Confirmed", "c@7", "d@8"]);
}

#[tokio::test]
async fn an_outage_long_ago_does_not_widen_the_gap_of_a_later_one() {
    let fixture = fixture(small());
    fixture.confirm().await;
    let mut hi = fixture.listen(spec(Some("hi"))).await;
    fixture.confirm().await;
    fixture.lose().await;
    fixture.confirm().await;
    fixture.broadcast(&["hi", "hi", "hi", "hi"]).await;
    heard(&mut hi);
    let between = a_moment_later();
    fixture.lose().await;
    fixture.confirm().await;
    fixture.broadcast(&["ho", "ho", "ho"]).await;
    let told = read(&mut hi).await;
    let [
        Delivery {
            event: Event::Gap(gap),
            ..
        },
    ] = told.as_slice()
    else {
        panic!("{told:?}");
    };
    assert_eq!(gap.reason, GapReason::Offline);
    assert!(
        gap.from >= Some(between),
        "{gap:?} begins before {between:?}"
    );
}

#[tokio::test]
async fn whoever_comes_from_an_earlier_log_hears_of_all_until_the_confirmation() {
    let fixture = fixture(Limits::default());
    let _first = fixture.listen(spec(None)).await;
    let while_pending = a_moment_later();
    // Another listener opened the channel first: it has missed nothing.
    fixture.confirm().await;
    let mut returning = fixture.listen(resume("an earlier one", 7)).await;
    let told = read(&mut returning).await;
    let Event::Gap(gap) = &told[1].event else {
        panic!("{told:?}");
    };
    assert_eq!(gap.reason, GapReason::Restarted);
    assert!(
        gap.to >= while_pending,
        "{gap:?} ends before {while_pending:?}"
    );
    assert_eq!(heard(&mut returning), ["Confirmed"]);
}

#[tokio::test]
async fn what_a_silent_connection_took_along_before_the_confirmation_is_in_the_gap() {
    let fixture = fixture(Limits::default());
    // The network still sends on a channel that was given up, and the connection has been silent
    // for a while.
    let proved = Moment::now();
    a_moment_later();
    let mut returning = fixture.listen(resume("an earlier one", 7)).await;
    fixture.broadcast(&["late"]).await;
    let down = Report::Down { since: proved };
    fixture.router.report(HOME, down).await;
    fixture.confirm().await;
    assert_eq!(read(&mut returning).await.len(), 2);
    let told = read(&mut returning).await;
    let words: Vec<String> = told.iter().map(in_words).collect();
    assert_eq!(words, ["late@1", "Offline 0", "Confirmed"]);
    let Event::Gap(gap) = &told[1].event else {
        panic!("{told:?}");
    };
    assert!(
        gap.from.is_some_and(|from| from <= proved),
        "{gap:?} begins after {proved:?}"
    );
}

#[tokio::test]
async fn a_listener_of_an_earlier_daemon_is_nobodys_now() {
    let (earlier, now) = (fixture(Limits::default()), fixture(Limits::default()));
    let of_earlier = earlier.listen(spec(None)).await;
    let mut of_now = now.listen(spec(None)).await;
    let id = of_earlier.info().id.clone();
    assert_eq!(
        now.router.cancel(id.clone()).await,
        Err(RouterError::UnknownListener(id))
    );
    assert_eq!(heard(&mut of_now), ["Pending"]);
}
