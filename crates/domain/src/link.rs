//! The states of an instance's link to the network, and the protocol generation it speaks.

use std::fmt;

use serde::Serialize;

/// State of the link between one instance and the network. Serializes as the contract names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LinkState {
    /// Logging in, or opening the socket.
    Connecting,
    /// The socket is open.
    Online,
    /// Not connected; the next attempt is scheduled.
    Offline,
    /// The network refuses the credentials.
    Refused,
    /// Connected in pairing mode: the operator has not typed the pairing code yet.
    Pairing,
}

impl LinkState {
    /// Every state, in the order of the contract.
    pub const ALL: [Self; 5] = [
        Self::Connecting,
        Self::Online,
        Self::Offline,
        Self::Refused,
        Self::Pairing,
    ];

    /// The state as a lower-case word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Refused => "refused",
            Self::Pairing => "pairing",
        }
    }

    /// The state as a phrase for people.
    #[must_use]
    pub fn explain(self) -> &'static str {
        match self {
            Self::Pairing => "waiting to be paired",
            other => other.as_str(),
        }
    }
}

impl fmt::Display for LinkState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Cause of a change of the link's state: a fixed word for programs, beside the reason for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkCause {
    /// A login began.
    Login,
    /// The socket is being opened.
    Opening,
    /// The socket is open.
    Opened,
    /// The login failed for another reason than refused credentials.
    LoginFailed,
    /// The network refuses the credentials or the token.
    Refused,
    /// The server cannot be reached, or the other end is not an EXP server.
    Unreachable,
    /// The server did not answer in time.
    Timeout,
    /// The server asks to come back later.
    Busy,
    /// The open socket was closed or broke.
    Closed,
    /// The open socket seemed healthy, but the server stopped confirming subscriptions.
    Unanswered,
    /// This host lost the address that the socket was opened from.
    PathGone,
}

impl LinkCause {
    /// Every cause.
    pub const ALL: [Self; 11] = [
        Self::Login,
        Self::Opening,
        Self::Opened,
        Self::LoginFailed,
        Self::Refused,
        Self::Unreachable,
        Self::Timeout,
        Self::Busy,
        Self::Closed,
        Self::Unanswered,
        Self::PathGone,
    ];

    /// The cause as a lower-case word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Opening => "opening",
            Self::Opened => "opened",
            Self::LoginFailed => "login_failed",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Busy => "busy",
            Self::Closed => "closed",
            Self::Unanswered => "unanswered",
            Self::PathGone => "path_gone",
        }
    }
}

/// Generation of the Engine.IO protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// Engine.IO 3: Socket.IO 1 and 2.
    V3,
    /// Engine.IO 4: Socket.IO 3 and later.
    V4,
}

impl Generation {
    /// The number of the generation in Engine.IO (`EIO`).
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::V3 => 3,
            Self::V4 => 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_has_one_word_in_two_spellings() {
        for state in LinkState::ALL {
            let json = serde_json::to_string(&state).unwrap();
            let upper = state.as_str().to_ascii_uppercase();
            assert_eq!(json, format!("\"{upper}\""));
        }
    }
}
