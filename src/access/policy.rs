//! The access policy: the rules, ready to be applied to callers.
//!
//! Names are resolved when the policy is built; one that the system does not know matches nobody.
//! A rule that needs neither group nor unit never reads anything about the process.

use std::fmt;
use std::io;

use expd_domain::PathClass;

use super::accounts;
use super::action::{Action, Scope};
use super::caller::Caller;
use super::pattern;
use super::refusal::Refusal;
use super::rule::AccessRule;
use super::verb::Verb;

/// All rules.
#[derive(Clone, Debug)]
pub struct AccessPolicy {
    /// Rules about local programs. Without any, they may do everything.
    programs: Vec<Rule>,
    /// Rules about the pages of apps. What none of them allows is refused.
    pages: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    /// Its place among the settings.
    place: usize,
    /// The rule in words.
    text: String,
    /// A caller must match all of these.
    criteria: Vec<Criterion>,
    allow: Vec<Verb>,
    /// Empty for all.
    channels: Vec<String>,
    /// Empty for all.
    instances: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Criterion {
    User(u32),
    Group(u32),
    Unit(String),
    App(String),
    /// A user or group that the system does not know.
    Nobody,
}

impl AccessPolicy {
    /// A policy of these rules, with names resolved as the system knows them now.
    pub fn new(rules: &[AccessRule]) -> Self {
        let rules = rules.iter().enumerate();
        let (pages, programs): (Vec<_>, Vec<_>) = rules.partition(|(_, rule)| rule.app.is_some());
        let built = |rules: Vec<(usize, &AccessRule)>| {
            let rules = rules.into_iter();
            rules.map(|(place, rule)| Rule::new(place, rule)).collect()
        };
        Self {
            programs: built(programs),
            pages: built(pages),
        }
    }

    /// True where there are no rules about local programs.
    pub fn is_open(&self) -> bool {
        self.programs.is_empty()
    }

    /// The rights of a caller.
    pub fn rights<'a>(&'a self, caller: &'a Caller) -> Rights<'a> {
        let rules = match caller.page() {
            Some(_) => Some(&self.pages),
            None => Some(&self.programs).filter(|rules| !rules.is_empty()),
        };
        Rights {
            caller,
            rules: rules.map(|rules| {
                let matching = rules.iter().filter(|rule| rule.matches(caller));
                matching.collect()
            }),
        }
    }

    /// Decides whether a caller may do something on an instance.
    ///
    /// # Errors
    /// It may not.
    pub fn check(
        &self,
        caller: &Caller,
        instance: &str,
        action: &Action<'_>,
    ) -> Result<(), Refusal> {
        self.rights(caller).check(instance, action)
    }
}

/// The rights of one caller.
#[derive(Debug)]
pub struct Rights<'a> {
    caller: &'a Caller,
    /// The rules that match the caller; none where the policy is open.
    rules: Option<Vec<&'a Rule>>,
}

/// Reason of a decision, without the cost of a message.
enum Lack<'a> {
    Permission(Verb, Scope<'a>),
    HiddenListener,
    ReservedPath(expd_domain::ReservedPath),
}

impl Rights<'_> {
    /// Decides whether the caller may do something on an instance.
    ///
    /// # Errors
    /// It may not.
    pub fn check(&self, instance: &str, action: &Action<'_>) -> Result<(), Refusal> {
        self.decide(instance, action, |_, _| {})
            .map_err(|lack| self.refusal(lack))
    }

    /// Decides the same, and names the rules that allow it; none where there are no rules.
    ///
    /// # Errors
    /// It may not.
    pub fn explain(&self, instance: &str, action: &Action<'_>) -> Result<Vec<Grant>, Refusal> {
        let mut grants = Vec::new();
        self.decide(instance, action, |verb, rule| {
            grants.push(Grant::new(verb, rule));
        })
        .map_err(|lack| self.refusal(lack))?;
        Ok(grants)
    }

    /// The rules that are for the caller, whatever they allow; none where there are no rules.
    pub fn rules(&self) -> impl Iterator<Item = RuleName<'_>> {
        self.rules.iter().flatten().map(|rule| RuleName(rule))
    }

    fn refusal(&self, lack: Lack<'_>) -> Refusal {
        match lack {
            Lack::Permission(verb, scope) => self.denied(verb, scope.to_string()),
            Lack::HiddenListener => Refusal::HiddenListener,
            Lack::ReservedPath(path) => path.into(),
        }
    }

    /// The same without a reason, for filters.
    pub fn permits(&self, instance: &str, action: &Action<'_>) -> bool {
        self.decide(instance, action, |_, _| {}).is_ok()
    }

    /// The one decision on all operations. `granted` is told of each rule that it rests on.
    fn decide<'b>(
        &self,
        instance: &'b str,
        action: &'b Action<'_>,
        mut granted: impl FnMut(Verb, &Rule),
    ) -> Result<(), Lack<'b>> {
        let on = |channel| Scope::Channel(instance, channel);
        let mut require = |verb, scope| self.require(verb, scope, &mut granted);
        match action {
            Action::Listen(channel) => require(Verb::Listen, on(channel)),
            Action::Broadcast(channel) => require(Verb::Broadcast, on(channel)),
            Action::Respond(Some(channel)) => require(Verb::Respond, on(channel)),
            Action::Respond(None) => require(Verb::Respond, Scope::EveryChannel(instance)),
            Action::Request(path) => {
                // First, so that nobody is told to ask for a permission that would not help.
                path.check_for_apps().map_err(Lack::ReservedPath)?;
                let verbs: &[Verb] = match path.class() {
                    // Else `request` would include the other verbs.
                    PathClass::Network => &[Verb::Request, Verb::Broadcast, Verb::Respond],
                    PathClass::Resources | PathClass::Logins => &[Verb::Request],
                };
                let mut verbs = verbs.iter();
                verbs.try_for_each(|verb| require(*verb, Scope::EveryChannel(instance)))
            }
            Action::ReadIdentity => {
                let request = require(Verb::Request, Scope::EveryChannel(instance));
                request.or_else(|_| require(Verb::Status, Scope::Instance(instance)))
            }
            Action::Run => require(Verb::Run, Scope::Instance(instance)),
            Action::ReadStatus => require(Verb::Status, Scope::Instance(instance)),
            Action::ReadChannelStatus(channel) => require(Verb::Status, on(channel)),
            Action::UsePageListener(channel) => {
                require(Verb::Admin, on(channel)).map_err(|_| Lack::HiddenListener)
            }
            Action::Administer(Some(channel)) => require(Verb::Admin, on(channel)),
            Action::Administer(None) => require(Verb::Admin, Scope::Instance(instance)),
            Action::UseListener { owner, channel } => {
                if require(Verb::Admin, on(channel)).is_ok() {
                    Ok(())
                } else if *owner == self.caller.peer().map(|peer| peer.uid) {
                    require(Verb::Listen, on(channel))
                } else {
                    Err(Lack::HiddenListener)
                }
            }
        }
    }

    /// True where the caller is of this user; none means TCP.
    pub fn is_of(&self, user: Option<u32>) -> bool {
        self.caller.peer().map(|peer| peer.uid) == user
    }

    /// True where any rule allows the caller anything.
    pub fn permits_anything(&self) -> bool {
        self.any(|rule| !rule.allow.is_empty())
    }

    /// True where any rule allows the caller anything on an instance, whether or not that exists.
    /// `run` is no right on an instance that there is.
    pub fn permits_anything_on(&self, instance: &str) -> bool {
        self.any(|rule| rule.allow.iter().any(|verb| *verb != Verb::Run) && rule.is_on(instance))
    }

    /// Refuses a caller whom no rule allows anything on an instance, whether or not that exists.
    ///
    /// # Errors
    /// No rule does; the refusal names `verb`.
    pub fn check_instance(&self, verb: Verb, instance: &str) -> Result<(), Refusal> {
        if self.permits_anything_on(instance) {
            return Ok(());
        }
        Err(self.denied(verb, Scope::Instance(instance).to_string()))
    }

    /// Refuses a call whose caller has none of these permissions on any channel or instance.
    ///
    /// # Errors
    /// The caller has none of them; the refusal names the first.
    pub fn check_anywhere(&self, verbs: &[Verb]) -> Result<(), Refusal> {
        if self.any(|rule| verbs.iter().any(|verb| rule.allow.contains(verb))) {
            return Ok(());
        }
        Err(match verbs {
            [verb, ..] if verbs.len() < Verb::ALL.len() => {
                self.denied(*verb, "on any channel or instance".to_owned())
            }
            _ => Refusal::NoRights(self.caller.clone()),
        })
    }

    /// Refuses a caller who may see the status of none of these instances.
    ///
    /// # Errors
    /// It may see none.
    pub fn check_status_of_any<'i>(
        &self,
        mut instances: impl Iterator<Item = &'i str>,
    ) -> Result<(), Refusal> {
        if instances.any(|name| self.permits(name, &Action::ReadStatus)) {
            return Ok(());
        }
        Err(self.denied(Verb::Status, "of any instance".to_owned()))
    }

    /// Refuses a caller who can have no listener to clear; [`Action::UseListener`] decides on each.
    ///
    /// # Errors
    /// It may neither listen nor administer anywhere.
    pub fn check_clear_context(&self) -> Result<(), Refusal> {
        let verbs = [Verb::Listen, Verb::Admin];
        if self.any(|rule| verbs.iter().any(|verb| rule.allow.contains(verb))) {
            return Ok(());
        }
        let place = "on any channel, nor clear a context".to_owned();
        Err(self.denied(Verb::Listen, place))
    }

    /// True where a permission holds on the whole scope.
    #[cfg(test)]
    pub(crate) fn allows(&self, verb: Verb, scope: Scope<'_>) -> bool {
        self.require(verb, scope, &mut |_, _| {}).is_ok()
    }

    /// Requires a permission on the whole scope; `granted` is told of the rule that gives it.
    fn require<'b>(
        &self,
        verb: Verb,
        scope: Scope<'b>,
        granted: &mut impl FnMut(Verb, &Rule),
    ) -> Result<(), Lack<'b>> {
        let Some(rules) = &self.rules else {
            return Ok(());
        };
        let Some(rule) = rules.iter().find(|rule| rule.allows(verb, scope)) else {
            return Err(Lack::Permission(verb, scope));
        };
        granted(verb, rule);
        Ok(())
    }

    /// True where the policy is open, or a rule that matches the caller meets the condition.
    fn any(&self, condition: impl Fn(&Rule) -> bool) -> bool {
        let rules = self.rules.as_ref();
        rules.is_none_or(|rules| rules.iter().any(|rule| condition(rule)))
    }

    fn denied(&self, verb: Verb, place: String) -> Refusal {
        Refusal::Denied {
            caller: self.caller.clone(),
            verb,
            place,
        }
    }
}

/// A rule's name, its place among the settings, and the rule in words.
#[derive(Clone, Copy, Debug)]
pub struct RuleName<'a>(&'a Rule);

impl fmt::Display for RuleName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "access[{}] ({})", self.0.place, self.0.text)
    }
}

/// A permission, and the rule that gives it.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The permission.
    pub verb: Verb,
    /// The rule's place among the settings, as in `access[2]`.
    pub rule: String,
    /// The rule in words.
    pub text: String,
}

impl Grant {
    fn new(verb: Verb, rule: &Rule) -> Self {
        Self {
            verb,
            rule: format!("access[{}]", rule.place),
            text: rule.text.clone(),
        }
    }
}

impl Rule {
    fn new(place: usize, rule: &AccessRule) -> Self {
        let mut criteria = Vec::new();
        criteria.extend(rule.uid.map(Criterion::User));
        if let Some(user) = &rule.user {
            let uid = resolved("user", user, accounts::user_id(user));
            criteria.push(uid.map_or(Criterion::Nobody, Criterion::User));
        }
        if let Some(group) = &rule.group {
            let gid = resolved("group", group, accounts::group_id(group));
            criteria.push(gid.map_or(Criterion::Nobody, Criterion::Group));
        }
        criteria.extend(rule.unit.as_deref().map(unit_name).map(Criterion::Unit));
        criteria.extend(rule.app.clone().map(Criterion::App));
        Self {
            place,
            text: rule.to_string(),
            criteria,
            allow: rule.allow.clone(),
            channels: rule.channels.clone(),
            instances: rule.instances.clone(),
        }
    }

    fn matches(&self, caller: &Caller) -> bool {
        let peer = caller.peer();
        // Cheapest first: the process of another user is never looked at.
        self.criteria.iter().all(|criterion| match criterion {
            Criterion::User(uid) => {
                peer.is_some_and(|peer| peer.uid == *uid) && !caller.is_overflow()
            }
            Criterion::Group(gid) => caller.in_group(*gid),
            Criterion::Unit(pattern) => {
                (caller.unit()).is_some_and(|unit| pattern::matches(pattern, unit))
            }
            Criterion::App(app) => caller.page().is_some_and(|page| *page.app == **app),
            Criterion::Nobody => false,
        })
    }

    fn is_on(&self, instance: &str) -> bool {
        self.instances.is_empty() || self.instances.iter().any(|name| name == instance)
    }

    fn allows(&self, verb: Verb, scope: Scope<'_>) -> bool {
        let on_channel = self.channels.is_empty()
            || match scope {
                Scope::Instance(_) => true,
                Scope::EveryChannel(_) => false,
                Scope::Channel(_, channel) => {
                    let mut channels = self.channels.iter();
                    channels.any(|pattern| pattern::matches(pattern, &channel.name))
                }
            };
        self.allow.contains(&verb) && self.is_on(scope.instance()) && on_channel
    }
}

fn resolved(noun: &str, name: &str, found: io::Result<Option<u32>>) -> Option<u32> {
    // Reading the settings has warned of a name that does not exist.
    found.unwrap_or_else(|error| {
        log::warn!(
            "an access rule matches nobody until the next reload: cannot look up its {noun} {name:?}: {error}"
        );
        None
    })
}

/// The full name of a unit: as systemd takes it, one without a suffix is a service.
fn unit_name(name: &str) -> String {
    if name.contains('.') {
        name.to_owned()
    } else {
        format!("{name}.service")
    }
}

#[cfg(test)]
mod tests {
    use expd_domain::{ApiPath, Channel, ChannelId};

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
        let scope = Scope::Channel("default", &channel);
        policy.rights(caller).allows(verb, scope)
    }

    #[test]
    fn without_rules_everybody_may_do_everything() {
        let policy = AccessPolicy::new(&[]);
        assert!(policy.is_open());
        for verb in Verb::ALL {
            assert!(may(&policy, &caller(1, 1), verb, "menu"));
            assert!(may(&policy, &Caller::unknown(), verb, "menu"));
            let rights = Caller::unknown();
            assert!(policy.rights(&rights).check_anywhere(&[verb]).is_ok());
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
            assert!(!policy.is_open());
            assert!(!may(&policy, &caller(0, 0), Verb::Listen, "menu"));
            assert!(!may(&policy, &Caller::unknown(), Verb::Listen, "menu"));
        }
    }

    #[test]
    fn a_rule_for_everybody_is_for_tcp_too() {
        let policy = AccessPolicy::new(&[rule(&[Verb::Status])]);
        for caller in [Caller::unknown(), caller(5, 5)] {
            let checked = policy.check(&caller, "default", &Action::ReadStatus);
            assert!(checked.is_ok(), "{caller}");
        }
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
        assert!(may(Verb::Listen, Scope::Channel("left", &menu)));
        assert!(may(Verb::Listen, Scope::Channel("left", &system)));
        assert!(!may(Verb::Listen, Scope::Channel("left", &other)));
        assert!(!may(Verb::Listen, Scope::Channel("right", &menu)));
        assert!(may(Verb::Status, Scope::Instance("left")));
        assert!(!may(Verb::Status, Scope::Instance("right")));
        assert!(!may(Verb::Listen, Scope::EveryChannel("left")));
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
        assert_eq!(unit_name("docker-*"), "docker-*.service");
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
        // Nothing tells this one from a user of another namespace.
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
        match policy.check(&who, "default", &Action::Request(&path)) {
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
        let check = |verbs: &[Verb], owner| {
            let policy = AccessPolicy::new(&[rule(verbs)]);
            let channel = &menu;
            let action = Action::UseListener { owner, channel };
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
        let denied = policy.check(&root, "default", &Action::Broadcast(&menu));
        assert_eq!(
            denied.unwrap_err().to_string(),
            "uid 0 (root) (its other groups and its unit cannot be read) may not broadcast on channel \"menu\" of instance \
             \"default\": no [[access]] rule of the daemon's settings allows it; add \"broadcast\" to a rule for this caller and \
             place, and reload the daemon (systemctl reload expd)"
        );
        let denied = policy.check(&Caller::unknown(), "default", &Action::ReadStatus);
        let text = denied.unwrap_err().to_string();
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
