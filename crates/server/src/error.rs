//! Errors of requests, answered in JSON with `code` and `message` as EXP does.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use expd_domain::message::ErrorBody;
use expd_domain::payload::PayloadError;
use expd_domain::{ChannelRule, channel_id::ChannelIdError};

/// A refused request. `code` is for programs and never changes its meaning; `message` names the
/// fault and the remedy.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    pub status: StatusCode,
    pub code: &'static str,
    pub message: String,
    /// Time after which another attempt makes sense.
    pub retry_after: Option<Duration>,
}

impl ApiError {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            retry_after: None,
        }
    }

    pub fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub fn unauthorized(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, message)
    }

    pub fn forbidden(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    pub fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "request.body.tooLarge",
            message,
        )
    }

    /// A limit is reached, and waiting helps.
    pub fn too_many(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, code, message)
    }

    /// As [`ApiError::too_many`], with a known time to wait.
    pub fn rate_limited(code: &'static str, message: impl Into<String>, after: Duration) -> Self {
        Self {
            retry_after: Some(after),
            ..Self::too_many(code, message)
        }
    }

    /// There is no room at the moment.
    pub fn busy(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            retry_after: Some(Duration::from_secs(1)),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
        }
    }

    /// A bug in the server.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "network.internal",
            message,
        )
    }

    /// A limit is reached, and only removing something helps.
    pub fn full(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::INSUFFICIENT_STORAGE, code, message)
    }

    pub fn body(&self) -> ErrorBody {
        ErrorBody {
            code: self.code.to_owned(),
            message: self.message.clone(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        if let Some(after) = self.retry_after {
            // Whole seconds, rounded up: a client that retries too early is refused again.
            let seconds = after.as_millis().div_ceil(1000).max(1);
            if let Ok(seconds) = HeaderValue::try_from(seconds.to_string()) {
                response.headers_mut().insert(header::RETRY_AFTER, seconds);
            }
        }
        response
    }
}

impl From<ChannelRule> for ApiError {
    fn from(rule: ChannelRule) -> Self {
        let message = rule.to_string();
        match rule {
            ChannelRule::SystemBroadcast(_) => Self::forbidden("network.channel.system", message),
            ChannelRule::ConsumerOnly(_) => {
                Self::forbidden("network.channel.consumerOnly", message)
            }
            ChannelRule::EmptyEventName | ChannelRule::LongName(..) => {
                Self::bad_request("network.name.invalid", message)
            }
        }
    }
}

impl From<ChannelIdError> for ApiError {
    fn from(error: ChannelIdError) -> Self {
        Self::bad_request("network.channel.invalid", error.to_string())
    }
}

impl From<PayloadError> for ApiError {
    fn from(error: PayloadError) -> Self {
        let message = error.to_string();
        match error {
            PayloadError::TooLarge(_) => Self::too_large(message),
            PayloadError::NotJson(_)
            | PayloadError::TooDeep(_)
            | PayloadError::LoneSurrogate(_) => Self::bad_request("payload.invalid", message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_broken_rule_has_a_code_of_its_own() {
        let codes: Vec<_> = [
            ChannelRule::SystemBroadcast("a".into()),
            ChannelRule::ConsumerOnly("a".into()),
            ChannelRule::EmptyEventName,
        ]
        .into_iter()
        .map(|rule| ApiError::from(rule).code)
        .collect();
        assert_eq!(
            codes,
            [
                "network.channel.system",
                "network.channel.consumerOnly",
                "network.name.invalid"
            ]
        );
    }
}
