//! The rights of one caller, and the one decision on all operations.

use std::sync::Arc;

use expd_domain::{Channel, NamePattern, NameSet, PathClass, ReservedPath};

use super::action::{Action, ListenerOwner};
use super::caller::Caller;
use super::explanation::{Grant, Miss};
use super::matcher::Rule;
use super::refusal::{Refusal, RefusedTarget};
use super::scope::{Scope, Target};
use super::verb::Verb;

/// The rights of one caller.
#[derive(Debug)]
pub struct Rights<'a> {
    caller: &'a Caller,
    /// All rules about its kind of callers; none where everything is allowed.
    all: Option<&'a [Rule]>,
    /// Those among them that match the caller.
    rules: Option<Vec<&'a Rule>>,
}

/// Reason of a refusal, without the cost of a message.
enum Lack<'a> {
    Permission(Verb, Scope<'a>),
    HiddenListener,
    ReservedPath(ReservedPath),
}

impl<'a> Rights<'a> {
    /// Selects the rules that match the caller; without rules, everything is allowed.
    pub(super) fn new(caller: &'a Caller, all: Option<&'a [Rule]>) -> Self {
        let rules = all.map(|rules| rules.iter().filter(|rule| rule.is_for(caller)).collect());
        Self { caller, all, rules }
    }

    /// Decides whether the caller may do something on an instance.
    ///
    /// # Errors
    /// It may not.
    pub fn check(&self, instance: &str, action: &Action<'_>) -> Result<(), Refusal> {
        self.decide(instance, action, |_, _| {})
            .map_err(|lack| self.refusal(lack))
    }

    /// As [`Self::check`], but returns the rules that allow it; empty if there are no rules.
    ///
    /// # Errors
    /// It may not. The refusal comes with the rules that apply to the caller, each with the
    /// conditions that are not met, and with `strangers` those for others as well.
    pub fn explain(
        &self,
        instance: &str,
        action: &Action<'_>,
        strangers: bool,
    ) -> Result<Vec<Grant>, (Refusal, Vec<Miss>)> {
        let mut grants = Vec::new();
        self.decide(instance, action, |verb, rule| {
            grants.push(Grant::new(verb, rule));
        })
        .map_err(|lack| {
            let misses = match &lack {
                Lack::Permission(verb, scope) => self.misses(*verb, *scope, strangers),
                Lack::HiddenListener | Lack::ReservedPath(_) => Vec::new(),
            };
            (self.refusal(lack), misses)
        })?;
        Ok(grants)
    }

    fn misses(&self, verb: Verb, scope: Scope<'_>, strangers: bool) -> Vec<Miss> {
        let rules = self.all.into_iter().flatten();
        let rules = rules.filter(|rule| strangers || rule.is_for(self.caller));
        rules
            .map(|rule| Miss::new(rule, self.caller, verb, scope))
            .collect()
    }

    fn refusal(&self, lack: Lack<'_>) -> Refusal {
        match lack {
            Lack::Permission(verb, scope) => self.denied(verb, RefusedTarget::of(scope)),
            Lack::HiddenListener => Refusal::HiddenListener,
            Lack::ReservedPath(path) => path.into(),
        }
    }

    /// As [`Self::check`] without a reason, for filters.
    pub fn permits(&self, instance: &str, action: &Action<'_>) -> bool {
        self.decide(instance, action, |_, _| {}).is_ok()
    }

    /// Decides on every operation. `granted` is called for each rule that the decision rests on.
    fn decide<'b>(
        &self,
        instance: &'b str,
        action: &'b Action<'_>,
        mut granted: impl FnMut(Verb, &Rule),
    ) -> Result<(), Lack<'b>> {
        let mut require =
            |verb, target| self.require(verb, Scope { instance, target }, &mut granted);
        match action {
            Action::Listen(channel, event) => require(Verb::Listen, Target::Event(channel, *event)),
            Action::Broadcast(channel, event) => {
                require(Verb::Broadcast, Target::Event(channel, *event))
            }
            Action::Respond(Some(channel)) => require(Verb::Respond, Target::Channel(channel)),
            Action::Respond(None) => require(Verb::Respond, Target::EveryChannel),
            Action::Request(method, path) => {
                // Checked first, so that no refusal suggests a permission that would not help.
                path.check_for_apps().map_err(Lack::ReservedPath)?;
                require(Verb::Request, Target::Request(method, path))?;
                // Otherwise, `request` would include the other verbs.
                let more: &[Verb] = match path.class() {
                    PathClass::Network => &[Verb::Broadcast, Verb::Respond],
                    PathClass::Resources | PathClass::Logins => &[],
                };
                let mut more = more.iter();
                more.try_for_each(|verb| require(*verb, Target::EveryChannel))
            }
            Action::ReadIdentity => {
                let request = require(Verb::Request, Target::Instance);
                request.or_else(|_| require(Verb::Status, Target::Instance))
            }
            Action::Run => require(Verb::Run, Target::Instance),
            Action::ReadStatus => require(Verb::Status, Target::Instance),
            Action::ReadChannelStatus(channel) => require(Verb::Status, Target::Channel(channel)),
            Action::Administer(Some(channel)) => require(Verb::Admin, Target::Channel(channel)),
            Action::Administer(None) => require(Verb::Admin, Target::Instance),
            Action::UseListener {
                owner,
                channel,
                event,
            } => {
                if require(Verb::Admin, Target::Channel(channel)).is_ok() {
                    Ok(())
                } else if self.owns(owner) {
                    require(Verb::Listen, Target::Event(channel, *event))
                } else {
                    Err(Lack::HiddenListener)
                }
            }
        }
    }

    fn owns(&self, owner: &ListenerOwner) -> bool {
        match owner {
            ListenerOwner::User(_) | ListenerOwner::Token(_) => {
                ListenerOwner::of(self.caller) == *owner
            }
            ListenerOwner::Pages | ListenerOwner::Unknown => false,
        }
    }

    /// The names of the events that the caller may hear on a channel.
    pub fn heard_events(&self, instance: &str, channel: &Channel) -> NameSet {
        let Some(rules) = &self.rules else {
            return NameSet::All;
        };
        let scope = Scope {
            instance,
            target: Target::Event(channel, None),
        };
        let mut heard: Vec<NamePattern> = Vec::new();
        for rule in rules.iter().filter(|rule| rule.allows(Verb::Listen, scope)) {
            if rule.events.is_empty() || rule.events.iter().any(NamePattern::is_any) {
                return NameSet::All;
            }
            heard.extend(rule.events.iter().cloned());
        }
        NameSet::Matching(Arc::from(heard))
    }

    /// The names of the events that the caller may read from a listener.
    pub fn readable_events(
        &self,
        instance: &str,
        channel: &Channel,
        event: Option<&str>,
    ) -> NameSet {
        // An event that was asked for is checked already, and administrators may read all.
        if event.is_some() || self.permits(instance, &Action::Administer(Some(channel))) {
            return NameSet::All;
        }
        self.heard_events(instance, channel)
    }

    /// True if the caller runs as this user; none means TCP.
    pub fn is_of(&self, user: Option<u32>) -> bool {
        self.caller.user() == user
    }

    /// True if some rule grants the caller anything.
    pub fn permits_anything(&self) -> bool {
        self.any(|rule| !rule.allow.is_empty())
    }

    /// True if some rule grants the caller anything on an instance, whether or not it exists. `run`
    /// does not count: it is no permission on an existing instance.
    pub fn permits_anything_on(&self, instance: &str) -> bool {
        self.any(|rule| rule.allow.iter().any(|verb| *verb != Verb::Run) && rule.is_on(instance))
    }

    /// Refuses a caller to whom no rule grants anything on an instance, whether or not it exists.
    ///
    /// # Errors
    /// No rule does; the refusal names `verb`.
    pub fn check_instance(&self, verb: Verb, instance: &str) -> Result<(), Refusal> {
        if self.permits_anything_on(instance) {
            return Ok(());
        }
        let target = Target::Instance;
        Err(self.denied(verb, RefusedTarget::of(Scope { instance, target })))
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
                self.denied(*verb, RefusedTarget::in_words("on any channel or instance"))
            }
            _ => Refusal::NoRights(self.caller.clone()),
        })
    }

    /// Refuses a caller that may not see the status of any of these instances.
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
        Err(self.denied(Verb::Status, RefusedTarget::in_words("of any instance")))
    }

    /// Refuses a caller that cannot have listeners to clear; [`Action::UseListener`] decides on
    /// each.
    ///
    /// # Errors
    /// It may neither listen nor administer anywhere.
    pub fn check_clear_context(&self) -> Result<(), Refusal> {
        let verbs = [Verb::Listen, Verb::Admin];
        if self.any(|rule| verbs.iter().any(|verb| rule.allow.contains(verb))) {
            return Ok(());
        }
        let target = RefusedTarget::in_words("on any channel, nor clear a context");
        Err(self.denied(Verb::Listen, target))
    }

    /// True if a permission holds on the whole scope.
    #[cfg(test)]
    pub(crate) fn allows(&self, verb: Verb, scope: Scope<'_>) -> bool {
        self.require(verb, scope, &mut |_, _| {}).is_ok()
    }

    /// Requires a permission on the whole scope; `granted` is called for the rule that grants it.
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

    fn denied(&self, verb: Verb, target: RefusedTarget) -> Refusal {
        Refusal::Denied {
            caller: self.caller.clone(),
            verb,
            target,
        }
    }
}
