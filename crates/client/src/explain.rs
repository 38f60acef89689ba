//! Queries of the daemon's access rules.

use expd_domain::Channel;
use expd_proto as proto;
use serde::Serialize;

use crate::convert::channel_to_wire;

/// A query whether a caller may perform an action, for [`Client::explain`](crate::Client::explain).
#[derive(Clone, Debug, Default)]
pub struct Explain {
    /// A permission, as access rules name it: `listen`, `broadcast`, `respond`, `request`, `run`,
    /// `status`, `admin`.
    pub verb: String,
    /// The instance; empty for the default one.
    pub instance: String,
    /// The channel; required for `listen` and `broadcast`.
    pub channel: Option<Channel>,
    /// The name of the event, for `listen` and `broadcast`; empty for listening to all permitted
    /// events, and for any event to broadcast.
    pub name: String,
    /// The method of an API request; empty for GET.
    pub method: String,
    /// The path of an API request; required for `request`.
    pub path: String,
    /// The caller in question.
    pub subject: Subject,
}

/// The caller that a query is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Subject {
    /// The caller of the query.
    #[default]
    Myself,
    /// The process with this ID.
    Process(u32),
    /// A program of the user with this ID, outside of any systemd unit.
    User(u32),
    /// A caller over TCP with the token of this name.
    Token(String),
    /// The pages of this app.
    App(String),
}

/// The decision of the access rules.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// True if the action is allowed.
    pub allowed: bool,
    /// The caller, described for people.
    pub caller: String,
    /// The reason, for people.
    pub reason: String,
    /// The rules that allow the action, one for each permission.
    pub rules: Vec<DecidingRule>,
    /// After a refusal, the rules for the caller, each with its unmet conditions; for
    /// administrators, the rules for others as well.
    pub missed: Vec<MissedRule>,
}

/// A rule that does not allow the action.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MissedRule {
    /// Its key in the settings, as in `access[2]`.
    pub rule: String,
    /// The rule, described for people.
    pub text: String,
    /// The unmet conditions, described for people.
    pub conditions: Vec<String>,
    /// False for a rule for other callers.
    pub for_caller: bool,
}

/// A rule that allows the action.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DecidingRule {
    /// Its key in the settings, as in `access[2]`.
    pub rule: String,
    /// The permission.
    pub verb: String,
    /// The rule, described for people.
    pub text: String,
}

impl Explain {
    pub(crate) fn to_wire(&self) -> proto::ExplainRequest {
        use proto::explain_request::Caller;
        proto::ExplainRequest {
            verb: self.verb.clone(),
            instance: self.instance.clone(),
            channel: self.channel.as_ref().map(channel_to_wire),
            path: self.path.clone(),
            name: self.name.clone(),
            method: self.method.clone(),
            caller: match &self.subject {
                Subject::Myself => None,
                Subject::Process(pid) => Some(Caller::Pid(*pid)),
                Subject::User(uid) => Some(Caller::Uid(*uid)),
                Subject::Token(name) => Some(Caller::Token(name.clone())),
                Subject::App(name) => Some(Caller::App(name.clone())),
            },
        }
    }
}

impl Explanation {
    pub(crate) fn from_wire(answer: proto::Explanation) -> Self {
        let rules = answer.rules.into_iter().map(|rule| DecidingRule {
            rule: rule.rule,
            verb: rule.verb,
            text: rule.text,
        });
        Self {
            allowed: answer.allowed,
            caller: answer.caller,
            reason: answer.reason,
            rules: rules.collect(),
            missed: answer
                .missed
                .into_iter()
                .map(MissedRule::from_wire)
                .collect(),
        }
    }
}

impl MissedRule {
    fn from_wire(rule: proto::MissedRule) -> Self {
        Self {
            rule: rule.rule,
            text: rule.text,
            conditions: rule.conditions,
            for_caller: rule.for_caller,
        }
    }
}
