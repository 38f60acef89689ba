//! Errors of the bridge as answers to pages. Refusals by rules are 403, never 401: after a 401 the
//! SDK refreshes its token and calls again.

use axum::http::StatusCode;

use crate::access::Refusal;
use crate::bridge::BridgeError;
use crate::upstream::transport::CallError;
use expd_server::error::ApiError;

/// A refusal of the access rules.
pub(super) fn refused(refusal: &Refusal) -> ApiError {
    ApiError::forbidden("access.denied", refusal.to_string())
}

/// A bridge's error.
pub(super) fn of_bridge(error: BridgeError) -> ApiError {
    match error {
        BridgeError::Rule(rule) => rule.into(),
        BridgeError::Call(error) => of_call(&error),
        BridgeError::MissingId(_) => ApiError::bad_request("network.id.missing", error.to_string()),
        BridgeError::RightTaken => ApiError::forbidden("access.denied", error.to_string()),
        BridgeError::NoSocket { .. } => {
            ApiError::forbidden("network.socket.none", error.to_string())
        }
        BridgeError::TooFast(too_fast) => ApiError {
            retry_after: Some(too_fast.retry_in),
            ..ApiError::new(
                StatusCode::TOO_MANY_REQUESTS,
                "network.tooFast",
                error.to_string(),
            )
        },
        BridgeError::Router(_)
        | BridgeError::TooManyCalls { .. }
        | BridgeError::QueueFull(_)
        | BridgeError::Stopping
        | BridgeError::InstanceEnded
        | BridgeError::InstanceRemoved
        | BridgeError::NoIdentity { .. } => {
            ApiError::busy("network.unavailable", error.to_string())
        }
    }
}

/// An error of a call to EXP.
fn of_call(error: &CallError) -> ApiError {
    let message = error.to_string();
    match error {
        CallError::Offline { .. }
        | CallError::Unauthenticated { .. }
        | CallError::NoContentToken => ApiError::busy("network.offline", message),
        CallError::Invalid { .. } => ApiError::bad_request("request.invalid", message),
        CallError::NoRoom | CallError::NoRoomToSend => ApiError::busy("network.memory", message),
        CallError::Unknown { .. } | CallError::TooLarge { .. } | CallError::BrokeOff { .. } => {
            ApiError::new(StatusCode::BAD_GATEWAY, "network.answer", message)
        }
        CallError::Exp {
            status,
            message,
            retry_after,
            ..
        } => {
            // A page's token is not EXP's: a 401 from EXP concerns the daemon's own login.
            let status = StatusCode::from_u16(*status)
                .ok()
                .filter(|status| *status != StatusCode::UNAUTHORIZED)
                .filter(|status| status.is_client_error() || status.is_server_error())
                .unwrap_or(StatusCode::BAD_GATEWAY);
            ApiError {
                retry_after: *retry_after,
                ..ApiError::new(status, "network.exp", message)
            }
        }
    }
}
