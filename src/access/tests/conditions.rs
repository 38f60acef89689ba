//! Tests of the conditions that narrow a rule.

use super::*;

#[test]
fn flags_of_channels_narrow_a_rule() {
    let (menu, who) = (Channel::new("menu"), caller(1, 1));
    for (system, consumer, allowed) in [
        (None, None, [true, true, true]),
        (Some(true), None, [false, true, false]),
        (Some(false), None, [true, false, true]),
        (None, Some(true), [false, false, true]),
        (Some(false), Some(false), [true, false, false]),
    ] {
        let policy = AccessPolicy::new(&[AccessRule {
            system,
            consumer,
            ..rule(&[Verb::Listen, Verb::Respond, Verb::Status])
        }]);
        let channels = [menu.clone(), menu.clone().system(), menu.clone().consumer()];
        for (channel, allowed) in channels.iter().zip(allowed) {
            for action in [
                Action::Listen(channel, None),
                Action::Respond(Some(channel.clone())),
                Action::ReadChannelStatus(channel),
            ] {
                let checked = policy.check(&who, "default", &action);
                assert_eq!(
                    checked.is_ok(),
                    allowed,
                    "{system:?} {consumer:?} {channel}"
                );
            }
        }
        // The instance itself, and all of its channels.
        policy.check(&who, "default", &Action::ReadStatus).unwrap();
        let every = policy.check(&who, "default", &Action::Respond(None));
        assert_eq!(every.is_ok(), system.is_none() && consumer.is_none());
    }
}

#[test]
fn events_narrow_what_is_heard_and_broadcast() {
    let menu = Channel::new("menu");
    let who = caller(1, 1);
    let policy = AccessPolicy::new(&[
        AccessRule {
            events: vec!["price-*".into()],
            ..rule(&[Verb::Listen, Verb::Broadcast])
        },
        AccessRule {
            channels: vec!["menu".into()],
            events: vec!["stop".into()],
            ..rule(&[Verb::Listen])
        },
    ]);
    let may = |action: Action<'_>| policy.check(&who, "default", &action).is_ok();
    for (event, heard, sent) in [
        (None, true, true),
        (Some("price-1"), true, true),
        (Some("stop"), true, false),
        (Some("start"), false, false),
    ] {
        assert_eq!(may(Action::Listen(&menu, event)), heard, "{event:?}");
        assert_eq!(may(Action::Broadcast(&menu, event)), sent, "{event:?}");
    }
    let rights = policy.rights(&who);
    let heard = rights.heard_events("default", &menu);
    assert!(heard.contains("price-1") && heard.contains("stop") && !heard.contains("start"));
    let elsewhere = rights.heard_events("default", &Channel::new("other"));
    assert!(elsewhere.contains("price-1") && !elsewhere.contains("stop"));
    // A rule for all events lets all through.
    let wider = AccessPolicy::new(&[
        AccessRule {
            events: vec!["price-*".into()],
            ..rule(&[Verb::Listen])
        },
        rule(&[Verb::Listen]),
    ]);
    let heard = wider.rights(&who).heard_events("default", &menu);
    assert_eq!(heard, NameSet::All);
}

#[test]
fn methods_and_paths_narrow_requests() {
    let who = caller(1, 1);
    let policy = AccessPolicy::new(&[
        AccessRule {
            methods: vec!["GET".into()],
            paths: vec!["/api/devices".into(), "/api/devices/*".into()],
            ..rule(&[Verb::Request])
        },
        AccessRule {
            paths: vec!["/api/data/till/*".into()],
            ..rule(&[Verb::Request])
        },
    ]);
    for (method, path, allowed) in [
        ("GET", "/api/devices", true),
        ("get", "/api/devices/1?x=y", true),
        ("PATCH", "/api/devices/1", false),
        ("PUT", "/api/data/till/sum", true),
        ("GET", "/api/data/other/sum", false),
        ("GET", "/api/users", false),
        ("", "/api/devices", false),
        // Some servers read the list of all groups.
        ("GET", "/api/data/till/%2F", false),
        ("GET", "/api/networks/current/broadcasts", false),
    ] {
        let parsed = ApiPath::parse(path).unwrap();
        let checked = policy.check(&who, "default", &Action::Request(method, &parsed));
        assert_eq!(checked.is_ok(), allowed, "{method} {path}");
    }
    // `request` includes the identity, whatever the requests.
    policy
        .check(&who, "default", &Action::ReadIdentity)
        .unwrap();
}

#[test]
fn a_condition_on_what_a_call_is_not_about_does_not_hold() {
    let (menu, devices) = (
        Channel::new("menu"),
        ApiPath::parse("/api/devices").unwrap(),
    );
    let who = caller(1, 1);
    let narrowed = |change: fn(&mut AccessRule)| {
        let mut rule = rule(&Verb::ALL);
        change(&mut rule);
        AccessPolicy::new(&[rule])
    };
    let denied =
        |policy: &AccessPolicy, action: Action<'_>| policy.check(&who, "default", &action).is_err();
    for policy in [
        narrowed(|rule| rule.channels = vec!["*".into()]),
        narrowed(|rule| rule.system = Some(false)),
        narrowed(|rule| rule.events = vec!["*".into()]),
    ] {
        assert!(denied(&policy, Action::Request("GET", &devices)));
        assert!(denied(&policy, Action::Respond(None)));
    }
    for policy in [
        narrowed(|rule| rule.methods = vec!["GET".into()]),
        narrowed(|rule| rule.paths = vec!["*".into()]),
    ] {
        assert!(denied(&policy, Action::Listen(&menu, None)));
        assert!(denied(&policy, Action::ReadStatus) && denied(&policy, Action::Run));
    }
    let policy = narrowed(|rule| rule.events = vec!["*".into()]);
    assert!(denied(&policy, Action::Respond(Some(menu.clone()))));
    assert!(denied(&policy, Action::Administer(Some(&menu))));
}

#[test]
fn channels_and_instances_narrow_a_rule() {
    let policy = AccessPolicy::new(&[AccessRule {
        channels: vec!["menu".into()],
        instances: vec!["left".into()],
        ..rule(&[Verb::Listen, Verb::Status])
    }]);
    let (menu, other, who) = (Channel::new("menu"), Channel::new("other"), caller(1, 1));
    let system = menu.clone().system();
    let may = |verb, scope| policy.rights(&who).allows(verb, scope);
    assert!(may(Verb::Listen, on("left", Target::Channel(&menu))));
    assert!(may(Verb::Listen, on("left", Target::Channel(&system))));
    assert!(!may(Verb::Listen, on("left", Target::Channel(&other))));
    assert!(!may(Verb::Listen, on("right", Target::Channel(&menu))));
    assert!(may(Verb::Status, on("left", Target::Instance)));
    assert!(!may(Verb::Status, on("right", Target::Instance)));
    assert!(!may(Verb::Listen, on("left", Target::EveryChannel)));
}

#[test]
fn channels_and_units_may_be_patterns() {
    let policy = AccessPolicy::new(&[AccessRule {
        channels: vec!["menu-*".into(), "exact".into()],
        ..rule(&[Verb::Listen])
    }]);
    let who = caller(1, 1);
    for (channel, allowed) in [
        ("menu-left", true),
        ("menu-", true),
        ("menu", false),
        ("the menu-left", false),
        ("exact", true),
        ("exactly", false),
    ] {
        assert_eq!(
            may(&policy, &who, Verb::Listen, channel),
            allowed,
            "{channel}"
        );
    }
}
