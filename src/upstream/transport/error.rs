//! Why a call failed: what the caller may conclude, one variant for each conclusion.

use std::time::Duration;

use reqwest::StatusCode;

use expd_domain::Fate;
use expd_domain::excerpt::excerpt;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nothing was sent.
    #[error("not connected to EXP, nothing was sent: {reason}")]
    Offline {
        /// Why not.
        reason: String,
        /// When the daemon itself tries again.
        retry_in: Option<Duration>,
    },
    /// EXP refuses the token, also a fresh one.
    #[error("EXP refuses the credentials: {reason}")]
    Unauthenticated {
        /// EXP's message.
        reason: String,
    },
    /// EXP answered with an error.
    #[error("EXP answered {status}{}{}", said(.code), said(.message))]
    Exp {
        /// The HTTP status.
        status: u16,
        /// EXP's short name of the error.
        code: String,
        /// EXP's message.
        message: String,
        /// When to come back, where EXP said so.
        retry_after: Option<Duration>,
    },
    /// The request left, and no answer came, or none that is EXP's.
    #[error(
        "the request left, and no answer of EXP's came ({reason}): it may have been carried out; expd does not repeat it"
    )]
    Unknown {
        /// What happened.
        reason: String,
    },
    /// The answer is larger than the daemon takes in.
    #[error(
        "EXP's answer is larger than {most} bytes and was not taken in; the request was carried out"
    )]
    TooLarge {
        /// The bound.
        most: usize,
    },
    /// Other calls of the user hold too much.
    #[error(
        "EXP's answer was not taken in, since this user's calls hold too much (daemon.limits.max_call_bytes); the request was carried out"
    )]
    NoRoom,
    /// Too many calls are under way.
    #[error(
        "{most} calls are under way already, the limit (daemon.limits.max_calls); wait for some to finish, or raise it"
    )]
    TooMany {
        /// The bound.
        most: usize,
    },
    /// The call cannot be made.
    #[error("{reason}")]
    Invalid {
        /// Why not, and what to do.
        reason: String,
    },
}

impl CallError {
    /// An answer with this status cannot be read, or is not EXP's. A success that is not EXP's proves nothing; any other status says
    /// what became of the request.
    pub(in crate::upstream) fn unreadable(host: &str, status: StatusCode, what: &str) -> Self {
        if status.is_success() {
            let reason = format!("{host} answered {status}, and {what}");
            return Self::Unknown { reason };
        }
        Self::Exp {
            status: status.as_u16(),
            code: String::new(),
            message: what.to_owned(),
            retry_after: None,
        }
    }

    /// What became of the request.
    pub fn fate(&self) -> Fate {
        match self {
            Self::Offline { .. }
            | Self::Unauthenticated { .. }
            | Self::TooMany { .. }
            | Self::Invalid { .. } => Fate::Refused,
            Self::TooLarge { .. } | Self::NoRoom => Fate::Sent,
            Self::Unknown { .. } => Fate::Unknown,
            Self::Exp { status, .. } => fate_of(*status),
        }
    }
}

/// What a status says of the request. Where a gateway's server did not answer it (502, 504), or a server failed on the way, it
/// may have been carried out; a server that says that it is out of order has not begun.
fn fate_of(status: u16) -> Fate {
    match status {
        500 | 502 | 504 | 506.. => Fate::Unknown,
        _ => Fate::Refused,
    }
}

fn said(message: &str) -> String {
    if message.is_empty() {
        String::new()
    } else {
        format!(": {}", excerpt(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_what_became_of_the_request() {
        for (status, fate) in [
            (302, Fate::Refused),
            (400, Fate::Refused),
            (413, Fate::Refused),
            (429, Fate::Refused),
            (500, Fate::Unknown),
            (501, Fate::Refused),
            (502, Fate::Unknown),
            (503, Fate::Refused),
            (504, Fate::Unknown),
            (520, Fate::Unknown),
        ] {
            assert_eq!(fate_of(status), fate, "{status}");
        }
    }
}
