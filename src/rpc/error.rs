//! Conversion of every error of the lower rooms to a gRPC status. The messages are bounded here: a
//! status travels in header fields, and texts of apps and servers may have any length.

use std::fmt::Display;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::pull::PullError;
use crate::access::Refusal;
use crate::bridge::{BridgeError, RunnerError};
use crate::router::{Ended, RouterError};
use crate::upstream::transport::CallError;
use expd_domain::quoted::{bounded, shortened};
use expd_domain::{ChannelRule, Fate};

/// Domain of `google.rpc.ErrorInfo`.
const DOMAIN: &str = "expd";

/// Limit of a status message, in bytes.
const MAX_MESSAGE: usize = 1024;

/// Limits of EXP's error code and message in the details, in bytes.
const MAX_CODE: usize = 64;
const MAX_NETWORK_MESSAGE: usize = 512;

/// A status with a message of at most [`MAX_MESSAGE`] bytes.
pub fn new(code: Code, message: impl Display) -> Status {
    Status::new(code, bounded(message, MAX_MESSAGE))
}

/// `INVALID_ARGUMENT`.
pub fn invalid(why: impl Display) -> Status {
    new(Code::InvalidArgument, why)
}

/// Bounds the message of a status that another library may have made.
pub fn clamped(status: Status) -> Status {
    if status.message().len() <= MAX_MESSAGE {
        return status;
    }
    let message = bounded(status.message(), MAX_MESSAGE);
    let details = bytes::Bytes::copy_from_slice(status.details());
    Status::with_details_and_metadata(status.code(), message, details, status.metadata().clone())
}

impl From<BridgeError> for Status {
    fn from(error: BridgeError) -> Self {
        match error {
            BridgeError::Rule(rule) => {
                let code = match rule {
                    ChannelRule::ConsumerOnly(_) => Code::PermissionDenied,
                    ChannelRule::SystemBroadcast(_)
                    | ChannelRule::EmptyEventName
                    | ChannelRule::LongName(..) => Code::InvalidArgument,
                };
                new(code, rule)
            }
            BridgeError::Call(error) => error.into(),
            BridgeError::Router(error) => error.into(),
            BridgeError::MissingId(_) => invalid(error),
            BridgeError::TooManyCalls { .. } => with_reason(
                Code::ResourceExhausted,
                &error,
                ("TOO_MANY_CALLS", Fate::Refused),
                None,
            ),
            BridgeError::TooFast(too_fast) => with_reason(
                Code::ResourceExhausted,
                &error,
                ("TOO_FAST", Fate::Refused),
                Some(too_fast.retry_in),
            ),
            BridgeError::QueueFull(_) => with_reason(
                Code::ResourceExhausted,
                &error,
                ("TOO_MANY_WAITING", Fate::Refused),
                None,
            ),
            BridgeError::RightTaken => new(Code::PermissionDenied, error),
            BridgeError::Stopping => {
                with_reason(Code::Unavailable, &error, ("STOPPING", Fate::Refused), None)
            }
            BridgeError::InstanceEnded | BridgeError::InstanceRemoved => with_reason(
                Code::NotFound,
                &error,
                ("INSTANCE_ENDED", Fate::Refused),
                None,
            ),
            BridgeError::NoSocket { .. } => new(Code::FailedPrecondition, error),
            BridgeError::NoIdentity { .. } => new(Code::Unavailable, error),
        }
    }
}

impl From<RunnerError> for Status {
    fn from(error: RunnerError) -> Self {
        let code = match error {
            RunnerError::NameTaken { .. } => Code::AlreadyExists,
            RunnerError::TooMany { .. } | RunnerError::NoMemory { .. } => Code::ResourceExhausted,
            RunnerError::Assembly(_) => Code::FailedPrecondition,
            RunnerError::Stopping => Code::Unavailable,
        };
        new(code, error)
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::Denied { .. } | Refusal::NoRights(_) | Refusal::NoReload(_) => {
                Code::PermissionDenied
            }
            Refusal::NoToken | Refusal::WrongToken => Code::Unauthenticated,
            Refusal::HiddenListener => Code::NotFound,
            Refusal::ReservedPath(_) => Code::InvalidArgument,
        };
        new(code, refusal)
    }
}

impl From<RouterError> for Status {
    fn from(error: RouterError) -> Self {
        let code = match error {
            RouterError::TooManyListeners { .. }
            | RouterError::TooManyChannels { .. }
            | RouterError::TooMuchMemory { .. } => Code::ResourceExhausted,
            RouterError::ResumeAhead { .. } => Code::InvalidArgument,
            RouterError::UnknownListener(_) | RouterError::InstanceEnded => Code::NotFound,
            RouterError::Stopping => Code::Unavailable,
        };
        new(code, error)
    }
}

impl From<Ended> for Status {
    fn from(why: Ended) -> Self {
        let code = match why {
            Ended::Cancelled => Code::Cancelled,
            Ended::Overflow => Code::ResourceExhausted,
            Ended::Instance | Ended::Removed => Code::NotFound,
            Ended::Stopping | Ended::Replaced => Code::Unavailable,
        };
        new(code, why)
    }
}

impl From<PullError> for Status {
    fn from(error: PullError) -> Self {
        let code = match error {
            PullError::Unknown(_) => Code::NotFound,
            PullError::Busy(_) => Code::FailedPrecondition,
            PullError::Ahead { .. } => Code::InvalidArgument,
        };
        new(code, error)
    }
}

/// The refusal of a call that arrives while the daemon stops.
pub fn stopping() -> Status {
    with_reason(
        Code::Unavailable,
        "the daemon is stopping, and nothing was done; try again when it is back",
        ("STOPPING", Fate::Refused),
        None,
    )
}

impl From<CallError> for Status {
    fn from(error: CallError) -> Self {
        let fate = error.fate();
        let (code, reason, retry) = match &error {
            CallError::Offline { retry_in, .. } => (Code::Unavailable, "OFFLINE", *retry_in),
            CallError::Unauthenticated { .. } => {
                (Code::Unauthenticated, "CREDENTIALS_REFUSED", None)
            }
            CallError::Unknown { .. } => (Code::Unknown, "NO_ANSWER", None),
            CallError::TooLarge { .. } => (Code::ResourceExhausted, "ANSWER_TOO_LARGE", None),
            CallError::NoRoom => (Code::ResourceExhausted, "NO_ROOM_FOR_ANSWER", None),
            CallError::NoRoomToSend => (Code::ResourceExhausted, "NO_ROOM_TO_SEND", None),
            CallError::BrokeOff { .. } => (Code::Unavailable, "BROKE_OFF", None),
            CallError::NoContentToken => (Code::FailedPrecondition, "NO_CONTENT_TOKEN", None),
            CallError::Invalid { .. } => return invalid(error),
            CallError::Exp {
                status,
                code,
                message: words,
                retry_after,
            } => {
                let unknown = match fate {
                    Fate::Unknown => {
                        ": the request may have been carried out; expd does not repeat it"
                    }
                    Fate::Refused | Fate::Sent => "",
                };
                let words = shortened(words, MAX_NETWORK_MESSAGE).into_owned();
                let metadata = [
                    ("status".to_owned(), status.to_string()),
                    ("message".to_owned(), words),
                    ("fate".to_owned(), fate.as_str().to_owned()),
                ];
                let mut details = ErrorDetails::new();
                details.set_error_info(shortened(code, MAX_CODE), DOMAIN, metadata);
                let message = format_args!("{error}{unknown}");
                return with_details(code_of(*status), message, details, *retry_after);
            }
        };
        with_reason(code, &error, (reason, fate), retry)
    }
}

/// Maps EXP's HTTP status to a gRPC code.
fn code_of(status: u16) -> Code {
    match status {
        400 | 422 => Code::InvalidArgument,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::NotFound,
        409 => Code::AlreadyExists,
        // The resource is gone, for example the broadcast that a late response answers.
        410 | 412 => Code::FailedPrecondition,
        413 | 429 => Code::ResourceExhausted,
        500.. => Code::Unavailable,
        _ => Code::Unknown,
    }
}

fn with_reason(
    code: Code,
    message: impl Display,
    (reason, fate): (&str, Fate),
    retry: Option<Duration>,
) -> Status {
    let mut details = ErrorDetails::new();
    let metadata = [("fate".to_owned(), fate.as_str().to_owned())];
    details.set_error_info(reason, DOMAIN, metadata);
    with_details(code, message, details, retry)
}

fn with_details(
    code: Code,
    message: impl Display,
    mut details: ErrorDetails,
    retry: Option<Duration>,
) -> Status {
    let retry = match code {
        // A wait of zero means that a retry is in progress.
        Code::Unavailable => {
            let ahead = retry.filter(|wait| !wait.is_zero());
            Some(ahead.unwrap_or(Duration::from_secs(1)))
        }
        // A 429 may state a retry time as well.
        _ => retry,
    };
    if retry.is_some() {
        details.set_retry_info(retry);
    }
    Status::with_error_details(code, bounded(message, MAX_MESSAGE), details)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_short_whoever_made_it() {
        let long = "ä".repeat(1 << 20);
        for status in [
            invalid(&long),
            clamped(Status::not_found(long.clone())),
            Status::from(CallError::Exp {
                status: 500,
                code: long.clone(),
                message: long.clone(),
                retry_after: None,
            }),
        ] {
            assert!(status.message().len() <= MAX_MESSAGE);
            // EXP's own message is shortened already.
            assert!(status.message().contains('…'));
            assert!(status.details().len() <= 2 * MAX_MESSAGE);
        }
        assert_eq!(clamped(invalid("short")).message(), "short");
    }
}
