use super::*;

fn channels(names: &[&str]) -> Vec<Arc<Channel>> {
    names.iter().map(|n| Arc::new(Channel::new(*n))).collect()
}

fn subscriptions() -> Subscriptions {
    let ask_again = (Duration::from_secs(5), Duration::from_secs(60));
    Subscriptions::new("o".to_owned(), ChannelIdSpelling::Both, ask_again)
}

#[test]
fn a_channel_is_asked_once_in_every_spelling_that_differs() {
    let mut s = subscriptions();
    let now = Moment::now();
    assert_eq!(s.ask(&channels(&["a"]), now).len(), 1);
    assert_eq!(s.ask(&channels(&["a"]), now).len(), 0);
    // `~` right after `["o","` falls on a sextet that the alphabets spell differently.
    let differing = channels(&["???~~~"]);
    assert_eq!(s.ask(&differing, now).len(), 2);
}

#[test]
fn a_confirmed_channel_that_is_wanted_anew_is_asked_anew() {
    let mut s = subscriptions();
    let ids = s.ask(&channels(&["a"]), Moment::now());
    s.confirm(&ids);
    assert_eq!(s.ask(&channels(&["a"]), Moment::now()), ids);
    assert_eq!(s.confirm(&ids).len(), 1);
    assert_eq!(s.start_probe(Moment::now()).len(), 1);
}

#[test]
fn what_is_not_confirmed_is_asked_again_ever_more_rarely_and_for_ever() {
    let mut s = subscriptions();
    let mut now = Moment::now();
    let ids = s.ask(&channels(&["a", "b"]), now);
    assert_eq!(s.confirm(&ids[..1]).len(), 1);
    let mut waits = Vec::new();
    for _ in 0..8 {
        let wait = s.next_due().unwrap().into_std() - now.at;
        waits.push(wait.as_secs());
        now = now.after(wait);
        let (again, _) = s.repeat_due(now);
        assert_eq!(again.len(), 1);
    }
    assert_eq!(waits, [5, 10, 20, 40, 60, 60, 60, 60]);
    s.confirm(&ids);
    assert!(s.pending.is_empty() && s.next_due().is_none());
}

#[test]
fn every_spelling_confirms_and_a_stranger_confirms_nothing() {
    let mut s = subscriptions();
    s.ask(&channels(&["caf\u{e9}"]), Moment::now());
    let foreign = ChannelId::encode("p", &Channel::new("caf\u{e9}"), Alphabet::UrlSafe);
    assert!(s.confirm(&[foreign]).is_empty());
    let escaped = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        r#"["o","caf\u00e9",0,0]"#,
    );
    assert_eq!(s.confirm(&[ChannelId::from_wire(escaped)]).len(), 1);
    assert!(s.pending.is_empty());
}

#[test]
fn a_probe_is_answered_in_any_spelling() {
    let mut s = subscriptions();
    let now = Moment::now();
    assert!(s.start_probe(now).is_empty() && !s.unanswered(Instant::now()));
    let ids = s.ask(&channels(&["???~~~"]), now);
    assert_eq!(ids.len(), 2);
    // The server takes the second spelling alone.
    s.confirm(&ids[1..]);
    assert_eq!(s.start_probe(now), ids[1..]);
    assert!(s.unanswered(Instant::now()));
    s.confirm(&ids[1..]);
    assert!(!s.unanswered(Instant::now()));
}

#[test]
fn a_channel_that_a_probe_does_not_confirm_is_pending_again() {
    let mut s = subscriptions();
    let start = Moment::now();
    let ids = s.ask(&channels(&["a", "b"]), start);
    s.confirm(&ids);
    let later = start.after(Duration::from_secs(20));
    let probe = s.start_probe(later);
    assert_eq!(probe.len(), 2);
    let answer: Vec<_> = probe
        .iter()
        .filter(|id| s.channel(id).is_some_and(|channel| channel.name == "b"))
        .cloned()
        .collect();
    s.confirm(&answer);
    assert!(!s.unanswered(Instant::now()));
    assert_eq!(s.verified_until(), later);
    let lost = s.demote_unanswered(Instant::now() + Duration::from_secs(30));
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0].1, start);
    assert!(s.next_due().is_some());
}

#[test]
fn one_channel_that_the_server_forgot_does_not_cost_the_connection() {
    for forgotten in ["a", "b", "c"].repeat(5) {
        let mut s = subscriptions();
        let start = Moment::now();
        let ids = s.ask(&channels(&["a", "b", "c"]), start);
        s.confirm(&ids);
        let probe = s.start_probe(start.after(Duration::from_secs(20)));
        let answer: Vec<_> = probe
            .iter()
            .filter(|id| s.channel(id).is_some_and(|c| c.name != forgotten))
            .cloned()
            .collect();
        s.confirm(&answer);
        let due = Instant::now() + Duration::from_secs(30);
        assert!(!s.unanswered(due), "{forgotten}");
        let lost = s.demote_unanswered(due);
        assert_eq!(lost.len(), 1);
        assert_eq!(lost[0].0.name, forgotten);
    }
}

#[test]
fn where_nothing_is_confirmed_anything_proves_the_connection_alive() {
    let mut s = subscriptions();
    s.ask(&channels(&["a"]), Moment::now());
    assert_eq!(s.start_probe(Moment::now()).len(), 1);
    assert!(s.unanswered(Instant::now()));
    s.on_any_message();
    assert!(!s.unanswered(Instant::now()));
}

#[test]
fn a_mark_is_not_answered_by_the_answer_to_a_probe() {
    let mut s = subscriptions();
    let now = Moment::now();
    let ids = s.ask(&channels(&["a", "b"]), now);
    s.confirm(&ids);
    s.probe = None;
    s.asks.get_mut(&channels(&["a"])[0]).unwrap().send(now);
    let fence = s.start_fence(now);
    assert_eq!(fence, ids[1..]);
    s.confirm(&ids[..1]);
    assert!(!s.fence_answered());
    s.confirm(&fence);
    assert!(s.fence_answered());
}

#[test]
fn what_nobody_wants_any_more_is_forgotten_and_covers_nothing() {
    let (mut old, mut new) = (subscriptions(), subscriptions());
    let now = Moment::now();
    let ids = old.ask(&channels(&["a", "b", "c"]), now);
    old.confirm(&ids);
    let ids = new.ask(&channels(&["a"]), now);
    new.confirm(&ids);
    assert!(!new.covers(&old));
    assert_eq!(new.lacking(&old).len(), 2);
    old.abandon(|channel| channel.name == "a");
    assert_eq!(old.surplus(), 2);
    assert!(new.covers(&old) && new.lacking(&old).is_empty());
    assert_eq!(
        (old.asks.len(), old.by_id.len(), old.probe_queue.len()),
        (1, 1, 1)
    );
    // It is neither probed nor asked for again, and may become wanted again.
    assert_eq!(old.start_probe(now), ids);
    assert_eq!(old.ask(&channels(&["b"]), now).len(), 1);
    assert!(new.covers(&old), "b is not confirmed yet");
}

#[test]
fn what_a_probe_or_a_mark_waits_for_is_forgotten_after_it() {
    let mut s = subscriptions();
    let now = Moment::now();
    let ids = s.ask(&channels(&["a"]), now);
    s.confirm(&ids);
    let fence = s.start_fence(now);
    s.abandon(|_| false);
    assert_eq!((s.surplus(), s.asks.len()), (1, 1));
    assert!(s.all().is_empty() && s.confirmed_channels().is_empty());
    s.confirm(&fence);
    assert!(s.fence_answered());
    s.abandon(|_| false);
    assert_eq!((s.surplus(), s.asks.len()), (1, 0));
    // Nothing is there to be probed.
    assert!(s.start_probe(now).is_empty());
}

#[test]
fn an_abandoned_channel_is_not_lost_when_a_probe_misses_it() {
    let mut s = subscriptions();
    let now = Moment::now();
    let ids = s.ask(&channels(&["a", "b"]), now);
    s.confirm(&ids);
    assert_eq!(s.start_probe(now).len(), 2);
    s.abandon(|channel| channel.name == "a");
    let a = channels(&["a"]);
    s.confirm(&[ChannelId::encode("o", &a[0], Alphabet::UrlSafe)]);
    let lost = s.demote_unanswered(Instant::now() + Duration::from_secs(30));
    assert!(lost.is_empty());
}

#[test]
fn an_answer_to_what_was_forgotten_proves_nothing_new() {
    let mut s = subscriptions();
    let start = Moment::now();
    let ids = s.ask(&channels(&["a"]), start);
    s.abandon(|_| false);
    let verified_until = s.verified_until();
    s.ask(&channels(&["a"]), start.after(Duration::from_secs(90)));
    // This may be the answer to the first request.
    assert_eq!(s.confirm(&ids).len(), 1);
    assert_eq!(s.verified_until().at, verified_until.at);
}

#[test]
fn a_refused_channel_stays_pending_and_is_told_once() {
    let mut s = subscriptions();
    let now = Moment::now();
    let ids = s.ask(&channels(&["???~~~"]), now);
    assert!(s.refuse(&ids[..1]).is_empty(), "the other spelling may do");
    assert_eq!(s.refuse(&ids[1..]).len(), 1);
    assert_eq!((s.refused(), s.unanswered_asks(1)), (1, 0));
    let (again, _) = s.repeat_due(now.after(Duration::from_secs(5)));
    assert_eq!(again.len(), 1);
    assert!(s.refuse(&ids).is_empty(), "that is no news");
    assert_eq!(s.confirm(&ids[..1]).len(), 1);
    assert_eq!((s.refused(), s.has_pending()), (0, false));
}

#[test]
fn a_refusal_answers_a_probe_and_a_mark() {
    let mut s = subscriptions();
    let now = Moment::now();
    let ids = s.ask(&channels(&["a"]), now);
    s.confirm(&ids);
    s.start_probe(now);
    assert!(s.unanswered(Instant::now()));
    s.refuse(&ids);
    assert!(!s.unanswered(Instant::now()), "the connection lives");
    let lost = s.demote_unanswered(Instant::now() + Duration::from_secs(30));
    assert_eq!(lost.len(), 1, "and the channel is lost");
}

#[test]
fn a_spelling_that_is_never_confirmed_is_asked_for_ever_more_rarely_and_costs_nothing() {
    let mut s = subscriptions();
    let start = Moment::now();
    let ids = s.ask(&channels(&["a/b"]), start);
    assert_eq!(ids.len(), 2, "as it is, and as iOS escapes it");
    assert_eq!(s.confirm(&ids[..1]).len(), 1);
    assert!(!s.has_pending());
    assert_eq!((s.refused(), s.unanswered_asks(1)), (0, 0));
    let (mut now, mut waits) = (start, Vec::new());
    for _ in 0..10 {
        let due = s.next_due().unwrap().into_std();
        let wait = due.saturating_duration_since(now.at);
        waits.push(wait.as_secs_f64().round());
        now = now.after(wait + Duration::from_millis(1));
        let (channels, again) = s.repeat_due(now);
        assert!(
            channels.is_empty(),
            "a confirmed channel is not reported again"
        );
        assert_eq!(again, ids[1..]);
        if waits.len() == 5 {
            s.refuse(&again);
        }
    }
    assert_eq!(
        waits,
        [5., 10., 20., 40., 80., 160., 320., 600., 600., 600.]
    );
    assert_eq!((s.refused(), s.has_pending()), (0, false));
    // It may come late.
    s.confirm(&ids[1..]);
    assert!(s.next_due().is_none_or(|due| due.into_std() > now.at));
    assert!(
        s.repeat_due(now.after(Duration::from_secs(3600)))
            .1
            .is_empty()
    );
}

#[test]
fn a_spelling_that_is_never_confirmed_holds_up_neither_fence_nor_probe() {
    let mut s = subscriptions();
    let now = Moment::now();
    let ids = s.ask(&channels(&["a/b"]), now);
    s.confirm(&ids[..1]);
    assert_eq!(s.start_fence(now), ids[..1]);
    assert!(!s.fence_answered());
    s.confirm(&ids[..1]);
    assert!(s.fence_answered());
    assert_eq!(s.start_probe(now), ids[..1]);
    s.confirm(&ids[..1]);
    let due = Instant::now() + Duration::from_secs(30);
    assert!(!s.unanswered(due) && s.demote_unanswered(due).is_empty());
    assert_eq!(s.verified_until().at, now.at);
}

#[test]
fn a_fence_is_answered_by_its_own_spelling() {
    let mut s = subscriptions();
    let now = Moment::now();
    let ids = s.ask(&channels(&["a/b"]), now);
    s.confirm(&ids[..1]);
    // The request for the other spelling is still on its way, and its answer comes first.
    assert_eq!(s.start_fence(now), ids[..1]);
    s.confirm(&ids[1..]);
    assert!(!s.fence_answered());
    s.confirm(&ids[..1]);
    assert!(s.fence_answered());
}

#[test]
fn a_server_that_answers_in_its_own_spelling_confirms_them_all() {
    let mut s = subscriptions();
    let now = Moment::now();
    let ids = s.ask(&channels(&["a/b"]), now);
    let padding = ids[0].as_str().trim_end_matches('=');
    let spaced = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        r#"["o", "a/b", 0, 0]"#,
    );
    assert_ne!(spaced, padding);
    let foreign = [ChannelId::from_wire(spaced)];
    assert_eq!(s.confirm(&foreign).len(), 1);
    assert!(s.next_due().is_none(), "nothing is left to ask for");
    assert_eq!(s.start_fence(now).len(), 1);
    s.confirm(&foreign);
    assert!(s.fence_answered());
}

#[test]
fn a_replacement_should_have_the_spellings_that_the_present_connection_has() {
    let (mut old, mut new) = (subscriptions(), subscriptions());
    let now = Moment::now();
    let ids = old.ask(&channels(&["a/b"]), now);
    new.ask(&channels(&["a/b"]), now);
    old.confirm(&ids[..1]);
    new.confirm(&ids[..1]);
    assert!(new.covers(&old) && new.covers_spellings(&old));
    old.confirm(&ids);
    assert!(new.covers(&old) && !new.covers_spellings(&old));
    assert_eq!(
        new.lacking(&old).len(),
        1,
        "what was heard by it may be missed"
    );
    new.confirm(&ids);
    assert!(new.covers_spellings(&old) && new.lacking(&old).is_empty());
}

#[test]
fn a_spelling_that_the_server_forgot_is_asked_for_again() {
    let mut s = subscriptions();
    let start = Moment::now();
    let ids = s.ask(&channels(&["a/b"]), start);
    s.confirm(&ids);
    assert_eq!(s.start_probe(start.after(Duration::from_secs(20))), ids);
    s.confirm(&ids[..1]);
    let later = start.after(Duration::from_secs(40));
    assert_eq!(s.start_probe(later), ids[..1]);
    assert!(!s.has_pending(), "the other one still delivers");
    let (_, again) = s.repeat_due(later.after(Duration::from_secs(6)));
    assert_eq!(again, ids[1..]);
}
