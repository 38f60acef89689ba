//! Refusals: each names the caller, the operation and the remedy.

use expd_domain::ReservedPath;

use super::caller::Caller;
use super::verb::Verb;

/// Reason for which a call is refused.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refusal {
    /// No rule allows it.
    #[error(
        "{caller} may not {} {place}: no [[access]] rule of the daemon's settings allows it; {}add \"{}\" to a rule for this caller and place, and reload the daemon (systemctl reload expd)",
        verb.description(), remedy(caller), verb.name()
    )]
    Denied {
        /// The caller.
        caller: Caller,
        /// The missing permission.
        verb: Verb,
        /// Where it is missing, in words.
        place: String,
    },
    /// No rule allows the caller anything.
    #[error(
        "{0} may not call anything: no [[access]] rule of the daemon's settings is for this caller"
    )]
    NoRights(Caller),
    /// Another user's listener, of which the caller must not learn that it exists.
    #[error("no such listener is known")]
    HiddenListener,
    /// No application may request this path, whatever the rules say.
    #[error(transparent)]
    ReservedPath(#[from] ReservedPath),
}

impl Refusal {
    /// The names that [`Refusal::what`] has besides those of the permissions.
    pub const OTHERS: [&str; 3] = ["any", "listener", "path"];

    /// The refused thing in a word: the missing permission, or why no permission helps.
    pub fn what(&self) -> &'static str {
        match self {
            Self::Denied { verb, .. } => verb.name(),
            Self::NoRights(_) => "any",
            Self::HiddenListener => "listener",
            Self::ReservedPath(_) => "path",
        }
    }

    /// The caller that the message names.
    pub fn caller(&self) -> Option<&Caller> {
        match self {
            Self::Denied { caller, .. } | Self::NoRights(caller) => Some(caller),
            Self::HiddenListener | Self::ReservedPath(_) => None,
        }
    }
}

fn remedy(caller: &Caller) -> &'static str {
    match (caller.peer(), caller.page()) {
        (_, Some(_)) | (Some(_), _) => "",
        (None, None) => "connect to the Unix socket, on which callers are known, or ",
    }
}
