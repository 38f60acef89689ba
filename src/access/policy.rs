//! The access policy: which caller may do what, where (`[[access]]`).
//!
//! Promises: without any rule, whoever may open the socket may do everything; with rules, what none of them allows is refused,
//! root's calls too. Names are resolved when the policy is made; one that the system does not know fits nobody. A rule that needs
//! neither group nor unit costs no look at the process.

use std::fmt;

use super::accounts;
use super::caller::Caller;
use super::rule::AccessRule;
use super::verb::Verb;
use expd_domain::{Channel, Quoted};

/// Where something is done.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// On an instance, concerning no channel.
    Instance(&'a str),
    /// On an instance, with whatever channel: a rule for certain channels does not reach as far.
    AnyChannel(&'a str),
    /// On a channel of an instance.
    Channel(&'a str, &'a Channel),
}

impl Place<'_> {
    fn instance(&self) -> &str {
        let (Self::Instance(name) | Self::AnyChannel(name) | Self::Channel(name, _)) = self;
        name
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance(instance) => write!(f, "on instance {}", Quoted(instance)),
            Self::AnyChannel(instance) => {
                let instance = Quoted(instance);
                write!(f, "on instance {instance}, without regard to channels")
            }
            Self::Channel(instance, channel) => {
                let (name, instance) = (Quoted(&channel.name), Quoted(instance));
                write!(f, "on channel {name} of instance {instance}")
            }
        }
    }
}

/// The rules, ready to be held against callers.
#[derive(Clone, Debug)]
pub struct AccessPolicy(Vec<Rule>);

#[derive(Clone, Debug)]
struct Rule {
    /// What a caller must fit, all of it.
    subject: Vec<Trait>,
    allow: Vec<Verb>,
    /// Empty for all.
    channels: Vec<String>,
    /// Empty for all.
    instances: Vec<String>,
}

/// What a caller must be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Trait {
    User(u32),
    Group(u32),
    Unit(String),
    /// Named by a name that the system does not know.
    Nobody,
}

impl AccessPolicy {
    /// A policy of these rules, with names as the system knows them now.
    pub fn new(rules: &[AccessRule]) -> Self {
        Self(rules.iter().map(Rule::new).collect())
    }

    /// Whether there are no rules.
    pub fn is_open(&self) -> bool {
        self.0.is_empty()
    }

    /// What a caller may do.
    pub fn rights<'a>(&'a self, caller: &'a Caller) -> Rights<'a> {
        Rights {
            caller,
            rules: (!self.is_open()).then(|| self.0.iter().filter(|r| r.fits(caller)).collect()),
        }
    }

    /// Whether a caller may do something somewhere.
    ///
    /// # Errors
    /// No rule allows it; the error says who was refused what, and what to do.
    pub fn check(&self, caller: &Caller, verb: Verb, place: Place<'_>) -> Result<(), Denied> {
        self.rights(caller).check(verb, place)
    }
}

/// What one caller may do.
#[derive(Debug)]
pub struct Rights<'a> {
    caller: &'a Caller,
    /// The rules that fit the caller; none where everything is allowed.
    rules: Option<Vec<&'a Rule>>,
}

impl Rights<'_> {
    /// Whose rights these are.
    pub fn caller(&self) -> &Caller {
        self.caller
    }

    /// Whether something is allowed at a place.
    pub fn allow(&self, verb: Verb, place: Place<'_>) -> bool {
        let rules = self.rules.as_ref();
        rules.is_none_or(|rules| rules.iter().any(|rule| rule.allows(verb, place)))
    }

    /// Whether something is allowed anywhere.
    pub fn allow_somewhere(&self, verb: Verb) -> bool {
        let rules = self.rules.as_ref();
        rules.is_none_or(|rules| rules.iter().any(|rule| rule.allow.contains(&verb)))
    }

    /// Whether anything is allowed anywhere.
    pub fn allow_any(&self) -> bool {
        let rules = self.rules.as_ref();
        rules.is_none_or(|rules| rules.iter().any(|rule| !rule.allow.is_empty()))
    }

    /// Whether anything is allowed on an instance, there being one of that name or not.
    pub fn allow_anything_on(&self, instance: &str) -> bool {
        let rules = self.rules.as_ref();
        rules.is_none_or(|rules| {
            let reaches = |rule: &&Rule| !rule.allow.is_empty() && rule.is_on(instance);
            rules.iter().any(reaches)
        })
    }

    /// Refuses what is not allowed.
    ///
    /// # Errors
    /// No rule allows it.
    pub fn check(&self, verb: Verb, place: Place<'_>) -> Result<(), Denied> {
        if self.allow(verb, place) {
            Ok(())
        } else {
            Err(self.denied(verb, &place))
        }
    }

    /// The refusal of a verb at a place, in words.
    pub fn denied(&self, verb: Verb, place: &dyn fmt::Display) -> Denied {
        Denied {
            verb,
            place: place.to_string(),
            caller: self.caller.clone(),
        }
    }
}

impl Rule {
    fn new(rule: &AccessRule) -> Self {
        let mut subject = Vec::new();
        subject.extend(rule.uid.map(Trait::User));
        if let Some(user) = &rule.user {
            let uid = resolved("user", user, accounts::user_id(user));
            subject.push(uid.map_or(Trait::Nobody, Trait::User));
        }
        if let Some(group) = &rule.group {
            let gid = resolved("group", group, accounts::group_id(group));
            subject.push(gid.map_or(Trait::Nobody, Trait::Group));
        }
        subject.extend(rule.unit.as_deref().map(unit_name).map(Trait::Unit));
        Self {
            subject,
            allow: rule.allow.clone(),
            channels: rule.channels.clone(),
            instances: rule.instances.clone(),
        }
    }

    fn fits(&self, caller: &Caller) -> bool {
        let peer = caller.peer();
        // In the order in which they cost: whoever is not the user is not looked at further.
        self.subject.iter().all(|wanted| match wanted {
            Trait::User(uid) => peer.is_some_and(|peer| peer.uid == *uid),
            Trait::Group(gid) => caller.in_group(*gid),
            Trait::Unit(unit) => caller.unit() == Some(unit),
            Trait::Nobody => false,
        })
    }

    fn is_on(&self, instance: &str) -> bool {
        self.instances.is_empty() || self.instances.iter().any(|name| name == instance)
    }

    fn allows(&self, verb: Verb, place: Place<'_>) -> bool {
        let on_instance = self.is_on(place.instance());
        let on_channel = self.channels.is_empty()
            || match place {
                Place::Instance(_) => true,
                Place::AnyChannel(_) => false,
                Place::Channel(_, channel) => self.channels.contains(&channel.name),
            };
        self.allow.contains(&verb) && on_instance && on_channel
    }
}

fn resolved(kind: &str, name: &str, found: std::io::Result<Option<u32>>) -> Option<u32> {
    // An unknown name has been told with the settings.
    found.unwrap_or_else(|error| {
        log::warn!("cannot look up the {kind} {name:?} of an access rule, which fits nobody until the next reload: {error}");
        None
    })
}

/// As systemd takes names of units: without a kind, a service.
fn unit_name(name: &str) -> String {
    if name.contains('.') {
        name.to_owned()
    } else {
        format!("{name}.service")
    }
}

/// A refusal.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "{caller} may not {} {place}: no [[access]] rule of the daemon's settings allows it; {}add \"{}\" to a rule for this caller and place, and reload the daemon (systemctl reload expd)",
    verb.done(), remedy(caller), verb.name()
)]
pub struct Denied {
    verb: Verb,
    place: String,
    caller: Caller,
}

impl Denied {
    /// Who was refused.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Looks up the caller's name, for the message. May wait for the system's name service.
    #[must_use]
    pub fn with_name(self) -> Self {
        self.caller.look_up_name();
        self
    }
}

impl Verb {
    /// As it follows "may not".
    fn done(self) -> &'static str {
        match self {
            Self::Listen => "listen",
            Self::Broadcast => "broadcast",
            Self::Respond => "respond",
            Self::Request => "send API requests",
            Self::Status => "see the status",
            Self::Admin => "administer",
        }
    }
}

fn remedy(caller: &Caller) -> &'static str {
    match caller.peer() {
        Some(_) => "",
        None => "connect to the Unix socket, on which callers are known, or ",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Peer;

    fn caller(uid: u32, gid: u32) -> Caller {
        // No process, so that nothing but what is given here is known.
        Caller::local(Peer { pid: 0, uid, gid })
    }

    fn rule(allow: &[Verb]) -> AccessRule {
        AccessRule {
            allow: allow.to_vec(),
            ..AccessRule::default()
        }
    }

    fn may(policy: &AccessPolicy, caller: &Caller, verb: Verb, channel: &str) -> bool {
        let channel = Channel::new(channel);
        let place = Place::Channel("default", &channel);
        policy.check(caller, verb, place).is_ok()
    }

    #[test]
    fn without_rules_everybody_may_do_everything() {
        let policy = AccessPolicy::new(&[]);
        assert!(policy.is_open());
        for verb in Verb::ALL {
            assert!(may(&policy, &caller(1, 1), verb, "menu"));
            assert!(may(&policy, &Caller::unknown(), verb, "menu"));
            let rights = Caller::unknown();
            assert!(policy.rights(&rights).allow_somewhere(verb));
        }
    }

    #[test]
    fn verbs_have_the_names_of_the_settings() {
        for verb in Verb::ALL {
            assert_eq!(Verb::from_name(verb.name()), Some(verb));
            assert!(Verb::NAMES.contains(&verb.name()));
        }
        assert_eq!(Verb::from_name("listn"), None);
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
            assert!(!policy.is_open());
            assert!(!may(&policy, &caller(0, 0), Verb::Listen, "menu"));
            assert!(!may(&policy, &Caller::unknown(), Verb::Listen, "menu"));
        }
    }

    #[test]
    fn a_rule_for_everybody_is_for_tcp_too() {
        let policy = AccessPolicy::new(&[rule(&[Verb::Status])]);
        let place = Place::Instance("default");
        assert!(
            policy
                .check(&Caller::unknown(), Verb::Status, place)
                .is_ok()
        );
        assert!(policy.check(&caller(5, 5), Verb::Status, place).is_ok());
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
        let may = |verb, place| policy.check(&who, verb, place).is_ok();
        assert!(may(Verb::Listen, Place::Channel("left", &menu)));
        assert!(may(Verb::Listen, Place::Channel("left", &system)));
        assert!(!may(Verb::Listen, Place::Channel("left", &other)));
        assert!(!may(Verb::Listen, Place::Channel("right", &menu)));
        assert!(may(Verb::Status, Place::Instance("left")));
        assert!(!may(Verb::Status, Place::Instance("right")));
        assert!(!may(Verb::Listen, Place::AnyChannel("left")));
    }

    #[test]
    fn a_refusal_says_who_what_where_and_what_to_do() {
        let policy = AccessPolicy::new(&[AccessRule {
            uid: Some(7),
            ..rule(&[Verb::Listen])
        }]);
        let menu = Channel::new("menu");
        let place = Place::Channel("default", &menu);
        let denied = policy.check(&caller(0, 0), Verb::Broadcast, place);
        assert_eq!(
            denied.unwrap_err().with_name().to_string(),
            "uid 0 (root) (its other groups and its unit cannot be read) may not broadcast on channel \"menu\" of instance \
             \"default\": no [[access]] rule of the daemon's settings allows it; add \"broadcast\" to a rule for this caller and \
             place, and reload the daemon (systemctl reload expd)"
        );
        let denied = policy.check(&Caller::unknown(), Verb::Status, Place::Instance("default"));
        let text = denied.unwrap_err().with_name().to_string();
        assert!(
            text.contains("over TCP") && text.contains("connect to the Unix socket"),
            "{text}"
        );
    }

    #[test]
    fn a_unit_without_a_kind_is_a_service() {
        assert_eq!(unit_name("kiosk"), "kiosk.service");
        assert_eq!(unit_name("session-3.scope"), "session-3.scope");
    }
}
