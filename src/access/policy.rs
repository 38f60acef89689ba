//! The access policy: the rules and tokens of the settings, ready to be applied to callers.
//!
//! Names are resolved when the policy is built; one that the system does not know matches nobody.
//! A rule that needs neither group nor unit never reads anything about the process.

use expd_domain::Secret;

use super::action::Action;
use super::caller::Caller;
use super::matcher::Rule;
use super::refusal::Refusal;
use super::rights::Rights;
use super::rule::AccessRule;
use super::token::{BearerToken, KnownTokens};

#[derive(Clone, Debug)]
pub struct AccessPolicy {
    /// Rules about local programs and callers over TCP. Without any, they may do everything.
    programs: Vec<Rule>,
    /// Rules about the pages of apps. What none of them allows is refused.
    pages: Vec<Rule>,
    /// The tokens of callers over TCP. Callers without one may do nothing.
    tokens: KnownTokens,
}

impl AccessPolicy {
    /// Builds the policy of these rules; names are resolved now.
    pub fn new(rules: &[AccessRule]) -> Self {
        let rules = rules.iter().enumerate();
        let (programs, pages): (Vec<_>, Vec<_>) =
            rules.partition(|(_, rule)| rule.is_of_programs());
        let built = |rules: Vec<(usize, &AccessRule)>| {
            let rules = rules.into_iter();
            rules.map(|(index, rule)| Rule::new(index, rule)).collect()
        };
        Self {
            programs: built(programs),
            pages: built(pages),
            tokens: KnownTokens::default(),
        }
    }

    /// The policy with these tokens.
    #[must_use]
    pub fn with_tokens(mut self, tokens: &[BearerToken]) -> Self {
        self.tokens = KnownTokens::new(tokens);
        self
    }

    /// The caller over TCP that presents this token.
    ///
    /// # Errors
    /// No token is presented, or the settings do not contain it.
    pub fn authenticate(&self, presented: Option<&Secret>) -> Result<Caller, Refusal> {
        let Some(presented) = presented else {
            return Err(Refusal::NoToken);
        };
        let known = self.tokens.find(presented);
        known
            .map(|token| Caller::of_token(token.clone()))
            .ok_or(Refusal::WrongToken)
    }

    /// The caller with the token of this name; none where there is no such token.
    pub fn bearer(&self, name: &str) -> Option<Caller> {
        let mut tokens = self.tokens.iter();
        let token = tokens.find(|token| *token.name == *name)?;
        Some(Caller::of_token(token.clone()))
    }

    /// True if no rules apply to this kind of caller, which may then do everything.
    pub fn is_open_to(&self, caller: &Caller) -> bool {
        self.rules_for(caller).is_none()
    }

    /// True if a caller may have some permission once it calls; over TCP, calls carry the tokens.
    pub fn admits(&self, caller: &Caller) -> bool {
        match (caller.peer(), caller.page(), caller.token()) {
            (None, None, None) => self.tokens.iter().any(|token| {
                let bearer = Caller::of_token(token.clone());
                self.rights(&bearer).permits_anything()
            }),
            _ => self.rights(caller).permits_anything(),
        }
    }

    /// The rights of a caller.
    pub fn rights<'a>(&'a self, caller: &'a Caller) -> Rights<'a> {
        Rights::new(caller, self.rules_for(caller))
    }

    /// The rules that decide about a caller; none where everything is allowed.
    fn rules_for(&self, caller: &Caller) -> Option<&[Rule]> {
        let programs = Some(&*self.programs).filter(|rules| !rules.is_empty());
        match (caller.peer(), caller.page(), caller.known_token()) {
            (_, Some(_), _) => Some(&self.pages),
            (Some(_), None, _) => programs,
            // A reload may have removed its token.
            (None, None, Some(token)) if self.tokens.has(token) => programs,
            (None, None, _) => Some(&[]),
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
