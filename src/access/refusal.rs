//! Refusals: each names the caller, the operation and the remedy.

use std::fmt;

use expd_domain::ReservedPath;

use super::caller::{Caller, CallerKind};
use super::scope::Scope;
use super::verb::Verb;

/// Remedy for a call over TCP without a known token.
const TOKEN_REMEDY: &str = "send the header `authorization: Bearer TOKEN` with a token of [[daemon.tcp.tokens]] (expd and its libraries take it from EXPD_TOKEN_FILE or EXPD_TOKEN), or connect to the Unix socket, on which callers are known";

/// Reason why a call is refused.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refusal {
    /// No rule allows it.
    #[error(
        "{caller} may not {} {target}: no [[access]] rule of the daemon's settings allows it; add \"{}\" to a rule for this caller and place, and reload the daemon (systemctl reload expd)",
        verb.description(), verb.name()
    )]
    Denied {
        caller: Caller,
        /// The missing permission.
        verb: Verb,
        /// The target for which it is missing.
        target: RefusedTarget,
    },
    /// No rule allows the caller anything.
    #[error(
        "{0} may not call anything: no [[access]] rule of the daemon's settings applies to this caller"
    )]
    NoRights(Caller),
    /// A reload by a caller that could not send the daemon a SIGHUP either.
    #[error(
        "{0} may not reload the settings: root and the daemon's own user may (sudo systemctl reload expd)"
    )]
    NoReload(Caller),
    /// A call over TCP without a token.
    #[error("over TCP every call needs a token; {TOKEN_REMEDY}")]
    NoToken,
    /// A call over TCP with a token that the settings do not contain.
    #[error("the token of this call is not among those of the daemon's settings; {TOKEN_REMEDY}")]
    WrongToken,
    /// Another user's listener; the caller must not learn that it exists.
    #[error("unknown listener")]
    HiddenListener,
    /// No application may request this path, whatever the rules say.
    #[error(transparent)]
    ReservedPath(#[from] ReservedPath),
}

/// The target of a refused call.
#[derive(Clone, Debug)]
pub struct RefusedTarget {
    /// The instance; empty if the call names none.
    pub instance: String,
    /// The channel's name; empty if the call names none.
    pub channel: String,
    words: String,
}

impl RefusedTarget {
    pub(super) fn of(scope: Scope<'_>) -> Self {
        let channel = scope.target.channel();
        Self {
            instance: scope.instance.to_owned(),
            channel: channel
                .map(|channel| channel.name.clone())
                .unwrap_or_default(),
            words: scope.to_string(),
        }
    }

    pub(super) fn in_words(words: &str) -> Self {
        Self {
            instance: String::new(),
            channel: String::new(),
            words: words.to_owned(),
        }
    }
}

impl fmt::Display for RefusedTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl Refusal {
    /// The values of [`Refusal::what`] besides the names of the permissions.
    pub const OTHERS: [&str; 5] = ["any", "token", "listener", "path", "reload"];

    /// Label of the refusal: the missing permission, or the reason why no permission helps.
    pub fn what(&self) -> &'static str {
        match self {
            Self::Denied { verb, .. } => verb.name(),
            Self::NoRights(_) => "any",
            Self::NoToken | Self::WrongToken => "token",
            Self::HiddenListener => "listener",
            Self::ReservedPath(_) => "path",
            Self::NoReload(_) => "reload",
        }
    }

    /// The caller that the message names.
    pub fn caller(&self) -> Option<&Caller> {
        match self {
            Self::Denied { caller, .. } | Self::NoRights(caller) | Self::NoReload(caller) => {
                Some(caller)
            }
            Self::NoToken | Self::WrongToken | Self::HiddenListener | Self::ReservedPath(_) => None,
        }
    }

    /// The target of the call, if the refusal names one.
    pub fn target(&self) -> Option<&RefusedTarget> {
        match self {
            Self::Denied { target, .. } => Some(target),
            _ => None,
        }
    }

    /// True if other settings or another caller would be allowed. Only these refusals are logged.
    pub fn is_denial(&self) -> bool {
        match self {
            Self::Denied { .. }
            | Self::NoRights(_)
            | Self::NoReload(_)
            | Self::NoToken
            | Self::WrongToken => true,
            Self::HiddenListener | Self::ReservedPath(_) => false,
        }
    }
}

/// All labels of the refusal counter: every reason with every kind of caller.
pub fn refusal_labels() -> impl Iterator<Item = (&'static str, &'static str)> {
    let whats = Verb::NAMES.into_iter().chain(Refusal::OTHERS);
    whats.flat_map(|what| CallerKind::ALL.map(|kind| (what, kind.as_str())))
}
