//! One rule, ready to be matched against callers and operations.
//!
//! A rule grants its permissions if everything that it sets is met: each key about the caller, and
//! each condition on the target. A condition on something that a call does not involve is not met.

use std::fmt;
use std::io;

use expd_domain::{NamePattern, PathPattern, Quoted};

use super::accounts;
use super::caller::Caller;
use super::rule::AccessRule;
use super::scope::{Scope, Target};
use super::verb::Verb;

/// A rule with its names resolved and its patterns ready.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// Its index in the settings.
    pub index: usize,
    /// The rule in words.
    pub text: String,
    /// A caller must match all of these.
    criteria: Vec<Criterion>,
    pub allow: Vec<Verb>,
    /// Empty for all.
    instances: Vec<String>,
    /// Empty for all.
    channels: Vec<NamePattern>,
    system: Option<bool>,
    consumer: Option<bool>,
    /// Empty for all.
    pub events: Vec<NamePattern>,
    /// Empty for all.
    methods: Vec<String>,
    /// Empty for all.
    paths: Vec<PathPattern>,
}

/// A key that selects the callers to whom a rule applies.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Criterion {
    User(u32),
    Group(u32),
    Unit(NamePattern),
    App(String),
    Token(String),
    /// A user or group that the system does not know.
    Nobody(&'static str),
}

/// A key that restricts the calls to which a rule applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// The permission must be among those of the rule.
    Allow(Verb),
    Instances,
    Channels,
    System,
    Consumer,
    Events,
    Methods,
    Paths,
}

impl Condition {
    const ALL: [Self; 7] = [
        Self::Instances,
        Self::Channels,
        Self::System,
        Self::Consumer,
        Self::Events,
        Self::Methods,
        Self::Paths,
    ];
}

impl Rule {
    pub fn new(index: usize, rule: &AccessRule) -> Self {
        let mut criteria = Vec::new();
        criteria.extend(rule.uid.map(Criterion::User));
        if let Some(user) = &rule.user {
            let uid = resolved("user", user, accounts::user_id(user));
            criteria.push(uid.map_or(Criterion::Nobody("user"), Criterion::User));
        }
        if let Some(group) = &rule.group {
            let gid = resolved("group", group, accounts::group_id(group));
            criteria.push(gid.map_or(Criterion::Nobody("group"), Criterion::Group));
        }
        let unit = rule.unit.as_deref().map(unit_name);
        criteria.extend(unit.map(|unit| Criterion::Unit(NamePattern::new(unit))));
        criteria.extend(rule.app.clone().map(Criterion::App));
        criteria.extend(rule.token.clone().map(Criterion::Token));
        let names = |texts: &[String]| texts.iter().map(NamePattern::new).collect();
        Self {
            index,
            text: rule.to_string(),
            criteria,
            allow: rule.allow.clone(),
            instances: rule.instances.clone(),
            channels: names(&rule.channels),
            system: rule.system,
            consumer: rule.consumer,
            events: names(&rule.events),
            methods: rule.methods.clone(),
            paths: rule
                .paths
                .iter()
                .map(|path| PathPattern::new(path))
                .collect(),
        }
    }

    /// True if the rule applies to a caller.
    pub fn is_for(&self, caller: &Caller) -> bool {
        // Cheapest first, so that the processes of other users are never inspected.
        self.criteria
            .iter()
            .all(|criterion| criterion.is_met(caller))
    }

    /// The keys about the caller that it does not match.
    pub fn strange_keys(&self, caller: &Caller) -> Vec<&'static str> {
        let unmet = self.criteria.iter().filter(|it| !it.is_met(caller));
        unmet.map(Criterion::key).collect()
    }

    /// True if the rule covers an instance, whatever the operation.
    pub fn is_on(&self, instance: &str) -> bool {
        self.instances.is_empty() || self.instances.iter().any(|name| name == instance)
    }

    /// True if it grants a permission on the whole scope.
    pub fn allows(&self, verb: Verb, scope: Scope<'_>) -> bool {
        self.allow.contains(&verb)
            && (Condition::ALL.into_iter()).all(|condition| self.holds(condition, verb, scope))
    }

    /// The keys that prevent it from granting a permission on the scope; empty if it does.
    pub fn failures(&self, verb: Verb, scope: Scope<'_>) -> Vec<Condition> {
        let allow = (!self.allow.contains(&verb)).then_some(Condition::Allow(verb));
        let unmet = Condition::ALL.into_iter();
        let unmet = unmet.filter(|condition| !self.holds(*condition, verb, scope));
        allow.into_iter().chain(unmet).collect()
    }

    fn holds(&self, condition: Condition, verb: Verb, scope: Scope<'_>) -> bool {
        let flag = |wanted: Option<bool>, of: fn(&expd_domain::Channel) -> bool| match scope.target
        {
            _ if wanted.is_none() => true,
            Target::Instance => verb != Verb::Request,
            Target::EveryChannel | Target::Request(..) => false,
            Target::Channel(channel) | Target::Event(channel, _) => wanted == Some(of(channel)),
        };
        match condition {
            Condition::Allow(wanted) => self.allow.contains(&wanted),
            Condition::Instances => self.is_on(scope.instance),
            Condition::System => flag(self.system, |channel| channel.system),
            Condition::Consumer => flag(self.consumer, |channel| channel.consumer),
            Condition::Channels => match scope.target {
                _ if self.channels.is_empty() => true,
                Target::Instance => verb != Verb::Request,
                Target::EveryChannel | Target::Request(..) => false,
                Target::Channel(channel) | Target::Event(channel, _) => {
                    any(&self.channels, &channel.name)
                }
            },
            Condition::Events => match scope.target {
                _ if self.events.is_empty() => true,
                Target::Event(_, name) => name.is_none_or(|name| any(&self.events, name)),
                _ => false,
            },
            Condition::Methods => match scope.target {
                _ if self.methods.is_empty() => true,
                Target::Request(method, _) => {
                    let mut methods = self.methods.iter();
                    methods.any(|known| known.eq_ignore_ascii_case(method))
                }
                target => is_identity(verb, target),
            },
            Condition::Paths => match scope.target {
                _ if self.paths.is_empty() => true,
                Target::Request(_, path) => self.paths.iter().any(|known| known.matches(path)),
                target => is_identity(verb, target),
            },
        }
    }

    /// A key that a call does not meet, in words.
    pub fn describe(&self, condition: Condition, scope: Scope<'_>) -> String {
        let flags = |key: &str, flag: Option<bool>| format!("{key} = {}", flag.unwrap_or_default());
        let lists = |key: &str, patterns: Vec<String>| {
            let patterns: Vec<String> = patterns.iter().map(|it| format!("{it:?}")).collect();
            format!("{key} = {}", patterns.join(" "))
        };
        let key = match condition {
            Condition::Allow(verb) => return format!("allow is without {:?}", verb.name()),
            Condition::Instances => lists("instances", self.instances.clone()),
            Condition::Channels => lists("channels", texts(&self.channels)),
            Condition::System => flags("system", self.system),
            Condition::Consumer => flags("consumer", self.consumer),
            Condition::Events => lists("events", texts(&self.events)),
            Condition::Methods => lists("methods", self.methods.clone()),
            Condition::Paths => lists("paths", texts(&self.paths)),
        };
        let given = match (condition, scope.target) {
            (Condition::Instances, _) => Quoted(scope.instance).to_string(),
            (Condition::Methods, Target::Request(method, _)) => Quoted(method).to_string(),
            (Condition::Paths, Target::Request(_, path)) => Quoted(path.as_str()).to_string(),
            (Condition::Events, Target::Event(_, Some(name))) => Quoted(name).to_string(),
            (Condition::Channels, Target::Channel(channel) | Target::Event(channel, _)) => {
                Quoted(&channel.name).to_string()
            }
            (Condition::System, Target::Channel(channel) | Target::Event(channel, _)) => {
                channel.system.to_string()
            }
            (Condition::Consumer, Target::Channel(channel) | Target::Event(channel, _)) => {
                channel.consumer.to_string()
            }
            _ => return format!("{key} narrows it"),
        };
        format!("{key} is not met by {given}")
    }
}

impl Criterion {
    fn is_met(&self, caller: &Caller) -> bool {
        match self {
            Self::User(uid) => {
                (caller.peer()).is_some_and(|peer| peer.uid == *uid) && !caller.is_overflow()
            }
            Self::Group(gid) => caller.in_group(*gid),
            Self::Unit(pattern) => caller.unit().is_some_and(|unit| pattern.matches(unit)),
            Self::App(app) => caller.page().is_some_and(|page| *page.app == **app),
            Self::Token(name) => caller.token().is_some_and(|token| **token == **name),
            Self::Nobody(_) => false,
        }
    }

    fn key(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Group(_) => "group",
            Self::Unit(_) => "unit",
            Self::App(_) => "app",
            Self::Token(_) => "token",
            Self::Nobody(key) => key,
        }
    }
}

/// True for reading the identity. That is no request: `request` includes it, whatever methods and
/// paths the rule lists.
fn is_identity(verb: Verb, target: Target<'_>) -> bool {
    verb == Verb::Request && matches!(target, Target::Instance)
}

fn any(patterns: &[NamePattern], name: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(name))
}

fn texts(patterns: &[impl fmt::Display]) -> Vec<String> {
    patterns.iter().map(ToString::to_string).collect()
}

fn resolved(noun: &str, name: &str, found: io::Result<Option<u32>>) -> Option<u32> {
    // A name that does not exist was reported when the settings were read.
    found.unwrap_or_else(|error| {
        log::warn!(
            "an access rule matches nobody until the next reload: cannot look up its {noun} {name:?}: {error}"
        );
        None
    })
}

/// The full name of a unit. As in systemd, a name without a suffix is a service.
fn unit_name(name: &str) -> String {
    if name.contains('.') {
        name.to_owned()
    } else {
        format!("{name}.service")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_without_a_kind_is_a_service() {
        assert_eq!(unit_name("kiosk"), "kiosk.service");
        assert_eq!(unit_name("docker-*"), "docker-*.service");
        assert_eq!(unit_name("session-3.scope"), "session-3.scope");
    }
}
