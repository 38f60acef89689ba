//! Every gRPC status of the services: conversions of the lower rooms' errors, and the refusals of
//! the services themselves. The messages are bounded here: a status travels in header fields, and
//! texts of apps and servers may have any length.

use std::fmt::Display;
use std::time::Duration;

use tonic::metadata::MetadataValue;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::pull::PullError;
use crate::access::Refusal;
use crate::bridge::{BridgeError, RunnerError};
use crate::router::{Ended, RouterError};
use crate::upstream::transport::CallError;
use expd_domain::payload::PayloadError;
use expd_domain::quoted::{bounded, shortened};
use expd_domain::{ChannelRule, Fate};

/// Domain of `google.rpc.ErrorInfo`.
const DOMAIN: &str = "expd";

/// Limit of a status message, in bytes.
const MAX_MESSAGE: usize = 1024;

/// Limits of EXP's error code and message in the details, in bytes.
const MAX_CODE: usize = 64;
const MAX_NETWORK_MESSAGE: usize = 512;

/// Reason of a status that the daemon's stop causes.
const STOPPING: &str = "STOPPING";

/// A status with a message of at most [`MAX_MESSAGE`] bytes.
fn new(code: Code, message: impl Display) -> Status {
    Status::new(code, bounded(message, MAX_MESSAGE))
}

pub fn invalid(why: impl Display) -> Status {
    new(Code::InvalidArgument, why)
}

pub fn exhausted(why: impl Display) -> Status {
    new(Code::ResourceExhausted, why)
}

pub fn not_found(why: impl Display) -> Status {
    new(Code::NotFound, why)
}

pub fn denied(why: impl Display) -> Status {
    new(Code::PermissionDenied, why)
}

pub fn already_exists(why: impl Display) -> Status {
    new(Code::AlreadyExists, why)
}

pub fn failed_precondition(why: impl Display) -> Status {
    new(Code::FailedPrecondition, why)
}

pub fn unavailable(why: impl Display) -> Status {
    new(Code::Unavailable, why)
}

pub fn internal(why: impl Display) -> Status {
    new(Code::Internal, why)
}

/// The answer of a generated method whose route leads to a handler of its own.
pub fn own_handler(method: &str) -> Status {
    internal(format_args!("{method} is served by its own handler"))
}

/// The end of a call at the deadline that its client set.
pub fn deadline_passed(deadline: Duration) -> Status {
    let why = format_args!(
        "the call's deadline of {deadline:?} has passed; what it asked for may have been done"
    );
    new(Code::DeadlineExceeded, why)
}

/// The refusal of a request whose message did not arrive within the limit.
pub fn late_message(limit: Duration) -> Status {
    let seconds = limit.as_secs();
    let why = format_args!(
        "the request's message did not arrive within {seconds} s, and nothing was done"
    );
    new(Code::DeadlineExceeded, why)
}

/// The refusal of a request whose body ended with an error. Not `CANCELLED`, which tonic's codec
/// takes for the end of the body.
pub fn broke_off(error: impl Display) -> Status {
    let why = format_args!("the request broke off, and nothing was done: {error}");
    new(Code::Aborted, why)
}

/// The refusal of a request whose message cannot be decoded.
pub fn malformed(error: impl Display) -> Status {
    invalid(format_args!(
        "malformed request: it is not this method's message ({error})"
    ))
}

/// The refusal of a payload.
pub fn of_payload(error: PayloadError) -> Status {
    match error {
        PayloadError::TooLarge(_) => exhausted(error),
        PayloadError::NotJson(_) | PayloadError::TooDeep(_) | PayloadError::LoneSurrogate(_) => {
            invalid(error)
        }
    }
}

/// The refusal of a request with more than one message.
pub fn several_messages() -> Status {
    let why = "the request holds more than one message; send one";
    new(Code::Unimplemented, why)
}

/// The refusal of a compressed request, as tonic makes it. It names the accepted encoding.
pub fn compressed() -> Status {
    let why = "the request is compressed, which is not supported; send it plain";
    let mut status = new(Code::Unimplemented, why);
    let accepted = MetadataValue::from_static("identity");
    status
        .metadata_mut()
        .insert("grpc-accept-encoding", accepted);
    status
}

/// The refusal of a call that arrives while the daemon stops.
pub fn refused_at_stop() -> Status {
    with_reason(
        Code::Unavailable,
        "the daemon is stopping, and nothing was done; try again when it is back",
        (STOPPING, Fate::Refused),
        None,
    )
}

/// The end of a call or stream because the daemon stops. It promises nothing about what was done,
/// and advises no pause, so that clients reconnect at their own pace.
pub fn stopping(message: impl Display) -> Status {
    let mut details = ErrorDetails::new();
    details.set_error_info(STOPPING, DOMAIN, []);
    Status::with_error_details(Code::Unavailable, bounded(message, MAX_MESSAGE), details)
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
                with_reason(Code::Unavailable, &error, (STOPPING, Fate::Refused), None)
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
            RunnerError::Stopping => return stopping(error),
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
            RouterError::Stopping => return stopping(error),
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
            Ended::Stopping => return stopping(why),
            Ended::Replaced => Code::Unavailable,
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

    #[test]
    fn whatever_the_daemons_stop_refuses_or_ends_carries_the_reason() {
        for status in [
            refused_at_stop(),
            Status::from(BridgeError::Stopping),
            Status::from(RunnerError::Stopping),
            Status::from(RouterError::Stopping),
            Status::from(Ended::Stopping),
        ] {
            assert_eq!(status.code(), Code::Unavailable);
            assert!(status.message().starts_with("the daemon is stopping"));
            let details = status.get_error_details();
            let reason = details.error_info().map(|info| info.reason.as_str());
            assert_eq!(reason, Some(STOPPING));
        }
        let ended = Status::from(Ended::Stopping).get_error_details();
        assert!(
            ended.retry_info().is_none(),
            "a stream resumes at its client's pace"
        );
    }
}
