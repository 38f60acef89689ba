//! The rules behind a decision, in words.

use std::fmt;

use super::caller::Caller;
use super::matcher::Rule;
use super::scope::Scope;
use super::verb::Verb;

/// A permission, and the rule that gives it.
#[derive(Clone, Debug)]
pub struct Grant {
    pub verb: Verb,
    /// The rule's position in the settings, as in `access[2]`.
    pub rule: String,
    /// The rule in words.
    pub text: String,
}

impl Grant {
    pub(super) fn new(verb: Verb, rule: &Rule) -> Self {
        Self {
            verb,
            rule: name(rule),
            text: rule.text.clone(),
        }
    }
}

/// A rule that does not grant a permission, and the conditions that the call does not meet.
#[derive(Clone, Debug)]
pub struct Miss {
    /// The rule's position in the settings, as in `access[2]`.
    pub rule: String,
    /// The rule in words.
    pub text: String,
    /// The conditions that are not met, in words.
    pub conditions: Vec<String>,
    /// False for a rule that is for other callers.
    pub is_for_caller: bool,
}

impl Miss {
    pub(super) fn new(rule: &Rule, caller: &Caller, verb: Verb, scope: Scope<'_>) -> Self {
        let strange = rule.strange_keys(caller);
        let is_for_caller = strange.is_empty();
        let strange = strange.into_iter().map(|key| format!("{key} is another"));
        let failed = rule.failures(verb, scope).into_iter();
        let failed = failed.map(|condition| rule.describe(condition, scope));
        Self {
            rule: name(rule),
            text: rule.text.clone(),
            conditions: strange.chain(failed).collect(),
            is_for_caller,
        }
    }
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let conditions = self.conditions.join(", ");
        write!(f, "{} ({}): {conditions}", self.rule, self.text)
    }
}

fn name(rule: &Rule) -> String {
    format!("access[{}]", rule.index)
}
