//! Questions about the daemon's access rules.

use expd_domain::Channel;
use expd_proto as proto;
use serde::Serialize;

use crate::convert::channel_to_wire;

/// A question whether a caller may do something, for [`Client::explain`](crate::Client::explain).
#[derive(Clone, Debug, Default)]
pub struct Explain {
    /// A permission, as access rules name it: `listen`, `broadcast`, `respond`, `request`, `run`,
    /// `status`, `admin`.
    pub verb: String,
    /// The instance; empty for the default one.
    pub instance: String,
    /// The channel; required for `listen` and `broadcast`.
    pub channel: Option<Channel>,
    /// The name of the event, for `listen` and `broadcast`; empty for listening to all that may be
    /// heard, and for any event to broadcast.
    pub name: String,
    /// The method of an API request; empty for GET.
    pub method: String,
    /// The path of an API request; required for `request`.
    pub path: String,
    /// The caller in question.
    pub subject: Subject,
}

/// The caller that a question is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Subject {
    /// The one who asks.
    #[default]
    Myself,
    /// The process with this ID.
    Process(u32),
    /// A program of the user with this ID, in no unit.
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
    /// True where it is allowed.
    pub allowed: bool,
    /// The caller, in words.
    pub caller: String,
    /// The reason, in words.
    pub reason: String,
    /// The rules that allow it, each for one permission.
    pub rules: Vec<DecidingRule>,
    /// After a refusal, the rules that are for the caller, each with its unmet conditions; for
    /// administrators, the rules for others as well.
    pub missed: Vec<MissedRule>,
}

/// A rule that does not allow something.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MissedRule {
    /// Its place among the settings, as in `access[2]`.
    pub rule: String,
    /// The rule in words.
    pub text: String,
    /// The conditions that are not met, in words.
    pub conditions: Vec<String>,
    /// False for a rule that is for other callers.
    pub for_caller: bool,
}

/// A rule that allows something.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DecidingRule {
    /// Its place among the settings, as in `access[2]`.
    pub rule: String,
    /// The permission.
    pub verb: String,
    /// The rule in words.
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
