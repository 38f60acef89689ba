//! Refusals: each names the caller, the operation and the remedy.

use std::fmt;

use expd_domain::ReservedPath;

use super::caller::{Caller, CallerKind};
use super::scope::Scope;
use super::verb::Verb;

/// The remedy of a call over TCP without a token that is known.
const TOKEN_REMEDY: &str = "send the header `authorization: Bearer TOKEN` with a token of [[daemon.tcp.tokens]] (expd and its libraries take it from EXPD_TOKEN_FILE or EXPD_TOKEN), or connect to the Unix socket, on which callers are known";

/// Reason for which a call is refused.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refusal {
    /// No rule allows it.
    #[error(
        "{caller} may not {} {place}: no [[access]] rule of the daemon's settings allows it; add \"{}\" to a rule for this caller and place, and reload the daemon (systemctl reload expd)",
        verb.description(), verb.name()
    )]
    Denied {
        /// The caller.
        caller: Caller,
        /// The missing permission.
        verb: Verb,
        /// The place for which it is missing.
        place: RefusedPlace,
    },
    /// No rule allows the caller anything.
    #[error(
        "{0} may not call anything: no [[access]] rule of the daemon's settings is for this caller"
    )]
    NoRights(Caller),
    /// A reload by a caller who could not signal the daemon either.
    #[error(
        "{0} may not reload the settings: root and the daemon's own user may (sudo systemctl reload expd)"
    )]
    NoReload(Caller),
    /// A call over TCP without a token.
    #[error("over TCP every call needs a token; {TOKEN_REMEDY}")]
    NoToken,
    /// A call over TCP with another token than those of the settings.
    #[error("the token of this call is not among those of the daemon's settings; {TOKEN_REMEDY}")]
    WrongToken,
    /// Another user's listener, of which the caller must not learn that it exists.
    #[error("no such listener is known")]
    HiddenListener,
    /// No application may request this path, whatever the rules say.
    #[error(transparent)]
    ReservedPath(#[from] ReservedPath),
}

/// The place of a refused call.
#[derive(Clone, Debug)]
pub struct RefusedPlace {
    /// The instance; empty where the call is about none.
    pub instance: String,
    /// The channel's name; empty where the call is about none.
    pub channel: String,
    words: String,
}

impl RefusedPlace {
    pub(super) fn of(scope: Scope<'_>) -> Self {
        let channel = scope.place.channel();
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

impl fmt::Display for RefusedPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl Refusal {
    /// The names that [`Refusal::what`] has besides those of the permissions.
    pub const OTHERS: [&str; 5] = ["any", "token", "listener", "path", "reload"];

    /// The refused thing in a word: the missing permission, or why no permission helps.
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

    /// The place of the call, where it names one.
    pub fn place(&self) -> Option<&RefusedPlace> {
        match self {
            Self::Denied { place, .. } => Some(place),
            _ => None,
        }
    }

    /// True where a rule of the settings, a token, or the user would have to be another: operators
    /// hear of these alone. What is refused to everybody is the caller's own mistake.
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

/// Every word that a refusal is counted under, with every kind of callers.
pub fn refusal_labels() -> impl Iterator<Item = (&'static str, &'static str)> {
    let whats = Verb::NAMES.into_iter().chain(Refusal::OTHERS);
    whats.flat_map(|what| CallerKind::ALL.map(|kind| (what, kind.as_str())))
}
