//! Every error of the lower rooms as a gRPC status, in this one place.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::pull::PullError;
use crate::bridge::BridgeError;
use crate::exp::ChannelRule;
use crate::ipc::access::Denied;
use crate::router::{Ended, RouterError};
use crate::upstream::http::{CallError, Fate};

/// Names this program in `google.rpc.ErrorInfo`.
const DOMAIN: &str = "expd";

/// An error of a bridge.
pub fn bridge(error: BridgeError) -> Status {
    match error {
        BridgeError::Rule(rule) => {
            let code = match rule {
                ChannelRule::ConsumerOnly(_) => Code::PermissionDenied,
                ChannelRule::SystemBroadcast(_)
                | ChannelRule::EmptyName(_)
                | ChannelRule::LongName(..) => Code::InvalidArgument,
            };
            Status::new(code, rule.to_string())
        }
        BridgeError::Call(error) => call(&error),
        BridgeError::Router(error) => router(&error),
        BridgeError::MissingId(_) => Status::invalid_argument(error.to_string()),
        BridgeError::TooManyCalls { .. } => with_reason(
            Code::ResourceExhausted,
            error.to_string(),
            ("TOO_MANY_CALLS", Fate::Refused),
            None,
        ),
        BridgeError::Full(_) => with_reason(
            Code::ResourceExhausted,
            error.to_string(),
            ("TOO_MANY_WAITING", Fate::Refused),
            None,
        ),
        BridgeError::RightTaken => Status::permission_denied(error.to_string()),
        BridgeError::Stopping => with_reason(
            Code::Unavailable,
            error.to_string(),
            ("STOPPING", Fate::Refused),
            None,
        ),
        BridgeError::NoIdentity { .. } => Status::unavailable(error.to_string()),
    }
}

/// A refusal by the access rules.
pub fn denied(denied: &Denied) -> Status {
    Status::permission_denied(denied.to_string())
}

/// An error of the router.
pub fn router(error: &RouterError) -> Status {
    let code = match error {
        RouterError::TooManyListeners { .. } | RouterError::TooManyChannels { .. } => {
            Code::ResourceExhausted
        }
        RouterError::ResumeAhead { .. } => Code::InvalidArgument,
        RouterError::UnknownListener(_) => Code::NotFound,
        RouterError::Stopping => Code::Unavailable,
    };
    Status::new(code, error.to_string())
}

/// The end of a listener.
pub fn ended(why: Ended) -> Status {
    let code = match why {
        Ended::Cancelled => Code::Cancelled,
        Ended::Overflow => Code::ResourceExhausted,
        Ended::Stopping => Code::Unavailable,
    };
    Status::new(code, why.to_string())
}

/// A pull listener that could not be taken.
pub fn pull(error: &PullError) -> Status {
    let code = match error {
        PullError::Unknown(_) => Code::NotFound,
        PullError::Busy(_) => Code::FailedPrecondition,
    };
    Status::new(code, error.to_string())
}

/// The daemon stops and takes no new calls.
pub fn stopping() -> Status {
    with_reason(
        Code::Unavailable,
        "the daemon is stopping, and nothing was done; try again when it is back".to_owned(),
        ("STOPPING", Fate::Refused),
        None,
    )
}

/// An error of a call to EXP.
fn call(error: &CallError) -> Status {
    let fate = error.fate();
    let mut message = error.to_string();
    let (code, reason, retry) = match error {
        CallError::Offline { retry_in, .. } => (Code::Unavailable, "OFFLINE", *retry_in),
        CallError::Unauthenticated { .. } => (Code::Unauthenticated, "CREDENTIALS_REFUSED", None),
        CallError::Unknown { .. } => (Code::Unknown, "NO_ANSWER", None),
        CallError::TooLarge { .. } => (Code::ResourceExhausted, "ANSWER_TOO_LARGE", None),
        CallError::TooMany { .. } => (Code::ResourceExhausted, "TOO_MANY_CALLS", None),
        CallError::Invalid { .. } => return Status::invalid_argument(message),
        CallError::Exp {
            status,
            code,
            message: words,
            retry_after,
        } => {
            if fate == Fate::Unknown {
                message
                    .push_str(": the request may have been carried out; expd does not repeat it");
            }
            let metadata = [
                ("status".to_owned(), status.to_string()),
                ("message".to_owned(), words.clone()),
                ("fate".to_owned(), name(fate).to_owned()),
            ];
            let mut details = ErrorDetails::new();
            details.set_error_info(code.clone(), DOMAIN, metadata);
            return with_details(code_of(*status), message, details, *retry_after);
        }
    };
    with_reason(code, message, (reason, fate), retry)
}

/// A fate's name on the wire.
fn name(fate: Fate) -> &'static str {
    match fate {
        Fate::Refused => "refused",
        Fate::Sent => "sent",
        Fate::Unknown => "unknown",
    }
}

/// EXP's HTTP status as a gRPC code.
fn code_of(status: u16) -> Code {
    match status {
        400 | 422 => Code::InvalidArgument,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::NotFound,
        409 => Code::AlreadyExists,
        // What was there is over: a response that comes too late.
        410 | 412 => Code::FailedPrecondition,
        413 | 429 => Code::ResourceExhausted,
        500.. => Code::Unavailable,
        _ => Code::Unknown,
    }
}

fn with_reason(
    code: Code,
    message: String,
    (reason, fate): (&str, Fate),
    retry: Option<Duration>,
) -> Status {
    let mut details = ErrorDetails::new();
    let metadata = [("fate".to_owned(), name(fate).to_owned())];
    details.set_error_info(reason, DOMAIN, metadata);
    with_details(code, message, details, retry)
}

fn with_details(
    code: Code,
    message: String,
    mut details: ErrorDetails,
    retry: Option<Duration>,
) -> Status {
    let retry = match code {
        // A try that is due this moment is not over yet.
        Code::Unavailable => {
            let ahead = retry.filter(|wait| !wait.is_zero());
            Some(ahead.unwrap_or(Duration::from_secs(1)))
        }
        // A 429 may say when to come back, too.
        _ => retry,
    };
    if retry.is_some() {
        details.set_retry_info(retry);
    }
    Status::with_error_details(code, message, details)
}
