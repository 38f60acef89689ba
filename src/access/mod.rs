//! Access control: which caller may do what, on which instance and channel, with which events and
//! requests.
//!
//! The settings' [`AccessRule`]s become an [`AccessPolicy`]. Every door describes an operation as
//! an [`Action`] and asks the policy about the [`Caller`]: the process at the other end of its
//! connection, as the kernel identifies it, or over TCP the bearer of a [`BearerToken`]. No door
//! has a rule of its own.
//!
//! Promises: without rules, everyone who can connect may do everything that is not reserved to the
//! daemon; with rules, anything that none of them allows is refused, even to root. Pages are a
//! separate kind of caller: they may do only what rules about their app allow. Over TCP, nothing is
//! allowed without a token. No rule decides on a reload: [`check_reload`] does.
//!
//! Top down: `policy` selects the rules about a kind of caller, `rights` decides, `matcher`
//! compares one rule with a caller and a `scope`, `explanation` and `refusal` describe the result.

pub mod accounts;
mod action;
mod caller;
mod explanation;
mod matcher;
mod peer_fields;
mod policy;
mod process;
mod refusal;
mod reload;
mod report;
mod rights;
mod rule;
mod scope;
#[cfg(test)]
mod tests;
mod token;
mod verb;

pub use action::{Action, ListenerOwner};
pub use caller::{Caller, CallerKind, PageIdentity};
pub use explanation::{Grant, Miss};
pub use peer_fields::PeerFields;
pub use policy::AccessPolicy;
pub use process::Peer;
pub use refusal::{Refusal, RefusedTarget, refusal_labels};
pub use reload::check_reload;
pub use report::{report_limit, report_refusal};
pub use rights::Rights;
pub use rule::AccessRule;
#[cfg(test)]
pub(crate) use scope::{Scope, Target};
pub use token::BearerToken;
pub use verb::Verb;
