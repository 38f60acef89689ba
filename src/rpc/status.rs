//! Every error of the lower rooms as a gRPC status, in this one place.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::pull::PullError;
use crate::bridge::BridgeError;
use crate::exp::ChannelRule;
use crate::ipc::access::Denied;
use crate::router::{Ended, RouterError};
use crate::upstream::http::CallError;

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
        RouterError::TooManyListeners(_) | RouterError::TooManyChannels(_) => {
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

/// An error of a call to EXP.
fn call(error: &CallError) -> Status {
    let message = error.to_string();
    match error {
        CallError::Offline { retry_in, .. } => {
            with_retry(Code::Unavailable, message, *retry_in, None)
        }
        CallError::Unauthenticated { .. } => Status::unauthenticated(message),
        CallError::Unknown { .. } => Status::unknown(message),
        CallError::TooLarge { .. } | CallError::TooMany { .. } => {
            Status::resource_exhausted(message)
        }
        CallError::Invalid { .. } => Status::invalid_argument(message),
        CallError::Exp {
            status,
            code,
            message: words,
            retry_after,
        } => with_retry(
            code_of(*status),
            message,
            *retry_after,
            Some((*status, code, words)),
        ),
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

fn with_retry(
    code: Code,
    message: String,
    retry: Option<Duration>,
    exp: Option<(u16, &String, &String)>,
) -> Status {
    let mut details = ErrorDetails::new();
    if let Some((status, code, words)) = exp {
        details.set_error_info(
            code.clone(),
            DOMAIN,
            [
                ("status".to_owned(), status.to_string()),
                ("message".to_owned(), words.clone()),
            ],
        );
    }
    let retry = match code {
        Code::Unavailable => Some(retry.unwrap_or(Duration::from_secs(1))),
        // A 429 may say when to come back, too.
        _ => retry,
    };
    if retry.is_some() {
        details.set_retry_info(retry);
    }
    Status::with_error_details(code, message, details)
}
