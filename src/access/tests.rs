//! Rules: actions that they allow, to whom, and where.

mod conditions;

use expd_domain::{ApiPath, Channel, ChannelId, NameSet, Secret};

use super::*;

fn caller(uid: u32, gid: u32) -> Caller {
    // No process, so that only the given facts are known.
    Caller::local(Peer { pid: 0, uid, gid })
}

fn on<'a>(instance: &'a str, target: Target<'a>) -> Scope<'a> {
    Scope { instance, target }
}

fn token(name: &str) -> BearerToken {
    BearerToken {
        name: name.to_owned(),
        token: Secret::new(format!("the secret of {name}")),
    }
}

fn bearer(policy: &AccessPolicy, name: &str) -> Caller {
    policy.authenticate(Some(&token(name).token)).unwrap()
}

fn rule(allow: &[Verb]) -> AccessRule {
    AccessRule {
        allow: allow.to_vec(),
        ..AccessRule::default()
    }
}

fn may(policy: &AccessPolicy, caller: &Caller, verb: Verb, channel: &str) -> bool {
    let channel = Channel::new(channel);
    policy
        .rights(caller)
        .allows(verb, on("default", Target::Channel(&channel)))
}

#[test]
fn without_rules_everybody_may_do_everything() {
    let policy = AccessPolicy::new(&[]).with_tokens(&[token("ci")]);
    for who in [caller(1, 1), bearer(&policy, "ci")] {
        assert!(policy.is_open_to(&who));
        for verb in Verb::ALL {
            assert!(may(&policy, &who, verb, "menu"));
            assert!(policy.rights(&who).check_anywhere(&[verb]).is_ok());
        }
    }
}

#[test]
fn a_rule_is_for_whoever_fits_all_of_it() {
    let policy = AccessPolicy::new(&[AccessRule {
        uid: Some(7),
        group: Some("root".into()),
        ..rule(&[Verb::Listen])
    }]);
    assert!(may(&policy, &caller(7, 0), Verb::Listen, "menu"));
    assert!(!may(&policy, &caller(7, 1), Verb::Listen, "menu"));
    assert!(!may(&policy, &caller(8, 0), Verb::Listen, "menu"));
    assert!(!may(&policy, &caller(7, 0), Verb::Broadcast, "menu"));
    assert!(!may(&policy, &Caller::unknown(), Verb::Listen, "menu"));
}

#[test]
fn root_has_no_more_rights_than_the_rules_give() {
    let policy = AccessPolicy::new(&[AccessRule {
        uid: Some(7),
        ..rule(&[Verb::Listen])
    }]);
    assert!(!may(&policy, &caller(0, 0), Verb::Listen, "menu"));
}

#[test]
fn names_that_do_not_exist_fit_nobody() {
    for unknown in [
        AccessRule {
            user: Some("no-such-user-here".into()),
            ..rule(&Verb::ALL)
        },
        AccessRule {
            group: Some("no-such-group-here".into()),
            ..rule(&Verb::ALL)
        },
        AccessRule {
            unit: Some("no-such-unit-here".into()),
            ..rule(&Verb::ALL)
        },
    ] {
        let policy = AccessPolicy::new(&[unknown]);
        assert!(!policy.is_open_to(&caller(0, 0)));
        assert!(!may(&policy, &caller(0, 0), Verb::Listen, "menu"));
        assert!(!may(&policy, &Caller::unknown(), Verb::Listen, "menu"));
    }
}

#[test]
fn a_rule_for_everybody_is_for_each_token_too() {
    let policy = AccessPolicy::new(&[rule(&[Verb::Status])]).with_tokens(&[token("ci")]);
    for caller in [bearer(&policy, "ci"), caller(5, 5)] {
        let checked = policy.check(&caller, "default", &Action::ReadStatus);
        assert!(checked.is_ok(), "{caller}");
    }
}

#[test]
fn over_tcp_nobody_may_anything_without_a_token_of_the_settings() {
    for rules in [vec![], vec![rule(&Verb::ALL)]] {
        let policy = AccessPolicy::new(&rules);
        let known = policy.clone().with_tokens(&[token("ci")]);
        let bearer = bearer(&known, "ci");
        assert!(known.admits(&bearer) && known.admits(&Caller::unknown()));
        assert!(!policy.admits(&Caller::unknown()));
        for (policy, who) in [(&known, &Caller::unknown()), (&policy, &bearer)] {
            assert!(!policy.is_open_to(who));
            for verb in Verb::ALL {
                assert!(!may(policy, who, verb, "menu"), "{who}");
            }
        }
        // Another secret under the same name.
        let changed = policy.with_tokens(&[BearerToken {
            token: Secret::new("another secret"),
            ..token("ci")
        }]);
        assert!(!may(&changed, &bearer, Verb::Listen, "menu"));
        let missing = known.authenticate(None).unwrap_err();
        let wrong = known.authenticate(Some(&Secret::new("wrong"))).unwrap_err();
        for (refusal, says) in [(missing, "needs a token"), (wrong, "is not among")] {
            let text = refusal.to_string();
            assert!(
                text.contains(says) && text.contains("EXPD_TOKEN_FILE"),
                "{text}"
            );
        }
    }
}

#[test]
fn a_token_has_the_rights_of_the_rules_that_name_it() {
    let policy = AccessPolicy::new(&[
        AccessRule {
            token: Some("ci".into()),
            ..rule(&[Verb::Broadcast])
        },
        AccessRule {
            uid: Some(7),
            ..rule(&[Verb::Listen])
        },
    ])
    .with_tokens(&[token("ci"), token("other")]);
    let (ci, other) = (bearer(&policy, "ci"), bearer(&policy, "other"));
    assert!(may(&policy, &ci, Verb::Broadcast, "menu"));
    assert!(!may(&policy, &ci, Verb::Listen, "menu"));
    assert!(!may(&policy, &other, Verb::Broadcast, "menu"));
    assert!(!may(&policy, &caller(7, 7), Verb::Broadcast, "menu"));
    assert!(policy.bearer("ci").is_some() && policy.bearer("third").is_none());
}

#[test]
fn a_listener_is_read_as_far_as_its_owner_may_hear() {
    let menu = Channel::new("menu");
    let (owner, admin) = (caller(1, 1), caller(2, 2));
    let policy = AccessPolicy::new(&[
        AccessRule {
            events: vec!["price-*".into()],
            ..rule(&[Verb::Listen])
        },
        AccessRule {
            uid: Some(2),
            ..rule(&[Verb::Admin])
        },
    ]);
    let read = |who, event| {
        let owner = &ListenerOwner::User(1);
        let channel = &menu;
        let action = Action::UseListener {
            owner,
            channel,
            event,
        };
        policy.check(who, "default", &action).is_ok()
    };
    assert!(read(&owner, None) && read(&owner, Some("price-1")) && !read(&owner, Some("stop")));
    assert!(read(&admin, Some("stop")));
    let heard = |who, event| policy.rights(who).readable_events("default", &menu, event);
    assert!(!heard(&owner, None).contains("stop"));
    assert_eq!(heard(&owner, Some("price-1")), NameSet::All);
    assert_eq!(heard(&admin, None), NameSet::All);
}

#[test]
fn a_refusal_is_explained_by_the_rules_and_what_is_not_met_of_them() {
    let menu = Channel::new("menu").consumer();
    let policy = AccessPolicy::new(&[
        AccessRule {
            uid: Some(7),
            ..rule(&[Verb::Broadcast])
        },
        AccessRule {
            channels: vec!["menu".into()],
            consumer: Some(false),
            events: vec!["price-*".into()],
            instances: vec!["left".into()],
            ..rule(&[Verb::Broadcast])
        },
        rule(&[Verb::Status]),
        AccessRule {
            methods: vec!["GET".into()],
            paths: vec!["/api/devices/*".into()],
            ..rule(&[Verb::Request])
        },
    ]);
    let who = caller(1, 1);
    let misses = |action: Action<'_>, strangers| {
        let (_, misses) = policy
            .rights(&who)
            .explain("default", &action, strangers)
            .unwrap_err();
        let misses = misses.iter();
        misses
            .map(|miss| format!("{}: {}", miss.rule, miss.conditions.join(", ")))
            .collect::<Vec<_>>()
    };
    let broadcast = Action::Broadcast(&menu, Some("stop"));
    assert_eq!(
        misses(broadcast.clone(), false),
        [
            r#"access[1]: instances = "left" is not met by "default", consumer = false is not met by true, events = "price-*" is not met by "stop""#,
            r#"access[2]: allow is without "broadcast""#,
            r#"access[3]: allow is without "broadcast", methods = "GET" narrows it, paths = "/api/devices/*" narrows it"#,
        ]
    );
    assert_eq!(misses(broadcast, true)[0], "access[0]: user is another");
    let path = ApiPath::parse("/api/users").unwrap();
    let requests = misses(Action::Request("POST", &path), false);
    assert_eq!(
        requests.last().unwrap(),
        r#"access[3]: methods = "GET" is not met by "POST", paths = "/api/devices/*" is not met by "/api/users""#
    );
}

#[test]
fn the_overflow_user_is_nobody_known() {
    let policy = AccessPolicy::new(&[
        AccessRule {
            uid: Some(65534),
            ..rule(&[Verb::Listen])
        },
        rule(&[Verb::Status]),
    ]);
    // Cannot be told from a user of another namespace.
    let who = caller(65534, 65534);
    assert!(!may(&policy, &who, Verb::Listen, "menu"));
    assert!(may(&policy, &who, Verb::Status, "menu"));
}

#[test]
fn a_response_on_an_id_without_a_channel_needs_every_channel() {
    let id = ChannelId::from_wire("no channel");
    for (channels, allowed) in [(vec![], true), (vec!["menu".to_owned()], false)] {
        let policy = AccessPolicy::new(&[AccessRule {
            channels,
            ..rule(&[Verb::Respond])
        }]);
        let action = Action::respond_on(&id);
        let checked = policy.check(&caller(1, 1), "default", &action);
        assert_eq!(checked.is_ok(), allowed, "{checked:?}");
    }
}

/// The refused permission, or the first words of another refusal.
fn lacks(policy: &AccessPolicy, path: &str) -> String {
    let path = ApiPath::parse(path).unwrap();
    let who = caller(1, 1);
    match policy.check(&who, "default", &Action::Request("GET", &path)) {
        Ok(()) => "nothing".to_owned(),
        Err(Refusal::Denied { verb, .. }) => verb.name().to_owned(),
        Err(other) => other.to_string(),
    }
}

#[test]
fn a_request_needs_the_rights_of_what_its_path_reaches() {
    const BROADCASTS: &str = "/api/networks/current/broadcasts";
    let some = AccessPolicy::new(&[rule(&[Verb::Request])]);
    assert_eq!(lacks(&some, "/api/devices"), "nothing");
    assert_eq!(lacks(&some, BROADCASTS), "broadcast");
    let more = AccessPolicy::new(&[rule(&[Verb::Request, Verb::Broadcast])]);
    assert_eq!(lacks(&more, BROADCASTS), "respond");
    let all = AccessPolicy::new(&[rule(&Verb::ALL)]);
    assert_eq!(lacks(&all, BROADCASTS), "nothing");
    let none = AccessPolicy::new(&[rule(&[Verb::Listen])]);
    assert_eq!(lacks(&none, "/api/devices"), "request");
    // The path decides, whatever else the rule is about.
    let narrow = AccessPolicy::new(&[AccessRule {
        channels: vec!["menu".into()],
        ..rule(&[Verb::Request])
    }]);
    assert_eq!(lacks(&narrow, "/api/devices"), "request");
}

#[test]
fn paths_of_logins_are_refused_to_everybody_for_what_they_are() {
    for policy in [
        AccessPolicy::new(&[]),
        AccessPolicy::new(&[rule(&Verb::ALL)]),
        AccessPolicy::new(&[rule(&[Verb::Request, Verb::Admin])]),
        AccessPolicy::new(&[rule(&[Verb::Request])]),
        AccessPolicy::new(&[rule(&[Verb::Listen])]),
    ] {
        for path in ["/api/auth", "/api/auth/token", "/api/auth/login?x"] {
            let said = lacks(&policy, path);
            assert!(said.contains("the daemon's own"), "{said}");
        }
    }
}

#[test]
fn a_listener_is_its_users_and_the_administrators() {
    let menu = Channel::new("menu");
    let check = |verbs: &[Verb], owner: Option<u32>| {
        let policy = AccessPolicy::new(&[rule(verbs)]);
        let owner = owner.map_or(ListenerOwner::Unknown, ListenerOwner::User);
        let action = Action::UseListener {
            owner: &owner,
            channel: &menu,
            event: None,
        };
        policy.check(&caller(1, 1), "default", &action)
    };
    assert!(check(&[Verb::Listen], Some(1)).is_ok());
    assert!(check(&[Verb::Admin], Some(2)).is_ok());
    assert!(matches!(
        check(&[Verb::Listen], Some(2)),
        Err(Refusal::HiddenListener)
    ));
    assert!(matches!(
        check(&[Verb::Listen], None),
        Err(Refusal::HiddenListener)
    ));
    assert!(matches!(
        check(&[Verb::Status], Some(1)),
        Err(Refusal::Denied {
            verb: Verb::Listen,
            ..
        })
    ));
}

#[test]
fn a_refusal_says_who_what_where_and_what_to_do() {
    let policy = AccessPolicy::new(&[AccessRule {
        uid: Some(7),
        ..rule(&[Verb::Listen])
    }]);
    let menu = Channel::new("menu");
    let root = caller(0, 0);
    root.look_up_name();
    let denied = policy.check(&root, "default", &Action::Broadcast(&menu, None));
    assert_eq!(
        denied.unwrap_err().to_string(),
        "uid 0 (root) (its other groups and its unit cannot be read) may not broadcast on channel \"menu\" of instance \
         \"default\": no [[access]] rule of the daemon's settings allows it; add \"broadcast\" to a rule for this caller and \
         place, and reload the daemon (systemctl reload expd)"
    );
}
