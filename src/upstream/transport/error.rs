//! Call errors: one variant for each conclusion that a caller can draw.

use std::time::Duration;

use reqwest::StatusCode;

use expd_domain::Fate;
use expd_domain::excerpt::excerpt;
use expd_wire::diagnosis::RouteStep;

/// Error of a call to EXP.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The request was not sent.
    #[error("not connected to EXP, nothing was sent: {reason}")]
    Offline {
        reason: String,
        /// Time until the daemon itself tries again.
        retry_in: Option<Duration>,
    },
    /// EXP refuses the token, and a fresh one too.
    #[error("EXP refuses the credentials: {reason}")]
    Unauthenticated { reason: String },
    /// EXP answered with an error.
    #[error("EXP answered {status}{}{}", said(.code), said(.message))]
    Exp {
        status: u16,
        /// EXP's error code.
        code: String,
        /// EXP's error message.
        message: String,
        /// EXP's `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// The request was sent, and no answer came, or one that is not EXP's.
    #[error(
        "the request was sent, but EXP did not answer ({reason}): it may have been carried out; expd does not repeat it"
    )]
    Unknown { reason: String },
    /// The answer exceeds the bound on answers.
    #[error("EXP's answer exceeds {most} bytes and was not read; the request was carried out")]
    TooLarge { most: usize },
    /// The user's other calls hold all the memory that one user may have.
    #[error(
        "EXP's answer was not read: this user's calls hold too much memory (daemon.limits.max_call_bytes); the request was carried out"
    )]
    NoRoom,
    /// As [`Self::NoRoom`], before the request was sent.
    #[error(
        "nothing was sent: this user's calls leave no memory for an answer (daemon.limits.max_call_bytes); wait for some to end"
    )]
    NoRoomToSend,
    /// A part of the content has arrived, and the rest has not.
    #[error("the content broke off: {reason}; fetch the rest of it by its offset")]
    BrokeOff { reason: String },
    /// The network gave no token that reads content by its URL.
    #[error(
        "EXP's answer to the login has no restricted token, which a content URL needs; fetch the content through the daemon (Api.Fetch, expd content get)"
    )]
    NoContentToken,
    /// The arguments make no valid request.
    #[error("{reason}")]
    Invalid { reason: String },
}

/// Error of a request, with the step of the route to EXP that failed.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct RouteFailure {
    pub step: RouteStep,
    pub error: CallError,
}

impl From<RouteFailure> for CallError {
    fn from(failure: RouteFailure) -> Self {
        failure.error
    }
}

impl CallError {
    /// The error of a request that failed at a step of the route.
    pub(super) fn at(self, step: RouteStep) -> RouteFailure {
        RouteFailure { step, error: self }
    }

    /// The error for an answer that cannot be read or is not EXP's. A success that is not EXP's
    /// proves nothing; any other status determines the fate of the request.
    pub(in crate::upstream) fn unreadable(host: &str, status: StatusCode, what: &str) -> Self {
        if status.is_success() {
            let reason = format!("{host} answered {status}: {what}");
            return Self::Unknown { reason };
        }
        Self::Exp {
            status: status.as_u16(),
            code: String::new(),
            message: what.to_owned(),
            retry_after: None,
        }
    }

    /// The fate of the request.
    pub fn fate(&self) -> Fate {
        match self {
            Self::Offline { .. }
            | Self::Unauthenticated { .. }
            | Self::NoContentToken
            | Self::NoRoomToSend
            | Self::Invalid { .. } => Fate::Refused,
            Self::TooLarge { .. } | Self::NoRoom | Self::BrokeOff { .. } => Fate::Sent,
            Self::Unknown { .. } => Fate::Unknown,
            Self::Exp { status, .. } => fate_of(*status),
        }
    }
}

/// Fate of a request by its status. It may have been carried out if a gateway's server did not
/// answer (502, 504) or a server failed while working on it; a server that is unavailable (503) has
/// not begun.
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
