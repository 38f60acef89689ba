//! Access control: which caller may do what, on which instance and channel.
//!
//! The settings' [`AccessRule`]s become an [`AccessPolicy`]. Every door describes an operation as
//! an [`Action`] and asks the policy about the [`Caller`]: the process at the other end of its
//! connection, as the kernel identifies it. No door has a rule of its own.
//!
//! Promises: without rules, everyone who can connect may do everything but what is reserved to the
//! daemon; with rules, anything that none of them allows is refused, root's calls included. A page
//! is another kind of caller: it may do what rules about its app allow, and nothing without one.

pub mod accounts;
mod action;
mod caller;
mod pattern;
mod peer_fields;
mod policy;
mod refusal;
mod rule;
mod verb;

pub use action::Action;
#[cfg(test)]
pub(crate) use action::Scope;
pub use caller::{Caller, Page, Peer};
pub use peer_fields::PeerFields;
pub use policy::{AccessPolicy, Grant, Rights, RuleName};
pub use refusal::Refusal;
pub use rule::AccessRule;
pub use verb::Verb;
