//! Errors: of requests, answered in JSON with `code` and `message` as EXP does, and of the server.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::store_error::StoreError;
use expd_domain::Quoted;
use expd_domain::message::ErrorBody;
use expd_domain::payload::PayloadError;
use expd_domain::{ChannelRule, channel::ChannelIdError};

/// Refused request. `code` is for programs and never changes its meaning; `message` says what was
/// wrong and what to do.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct ApiError {
    pub status: StatusCode,
    pub code: &'static str,
    pub message: String,
    /// Earliest time for another attempt.
    pub retry_after: Option<Duration>,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            retry_after: None,
        }
    }

    pub(super) fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(super) fn unauthorized(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, message)
    }

    pub(super) fn forbidden(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    pub(super) fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    pub(super) fn too_large(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "request.body.tooLarge",
            message,
        )
    }

    /// A limit is reached, and waiting helps.
    pub(super) fn too_many(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, code, message)
    }

    /// As [`ApiError::too_many`], with a known time to wait.
    pub(super) fn rate_limited(
        code: &'static str,
        message: impl Into<String>,
        after: Duration,
    ) -> Self {
        Self {
            retry_after: Some(after),
            ..Self::too_many(code, message)
        }
    }

    /// There is no room at the moment.
    pub(super) fn busy(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            retry_after: Some(Duration::from_secs(1)),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
        }
    }

    /// A bug of this crate.
    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "network.internal",
            message,
        )
    }

    /// A limit is reached, and only removing something helps.
    pub(super) fn full(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::INSUFFICIENT_STORAGE, code, message)
    }

    pub(super) fn body(&self) -> ErrorBody {
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
            // Whole seconds, rounded up: a client that returns too early is refused again.
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

/// The server could not start or continue.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// Another program has the port.
    #[error(
        "the network's address {address} is taken by another program; stop that program, or choose another address with hub.listen (port 0 takes a free one)"
    )]
    Busy {
        address: SocketAddr,
        source: io::Error,
    },
    /// The address cannot be bound for another reason.
    #[error(
        "the network cannot listen on {address}: {source}; set hub.listen to an address of this machine and a port that this user may take"
    )]
    Bind {
        address: SocketAddr,
        source: io::Error,
    },
    /// A user's password hash is invalid.
    #[error(
        "the password_hash of hub user {name} is no Argon2 hash in PHC form: {reason}; make one with `expd hub hash-password`",
        name = Quoted(.username)
    )]
    PasswordHash { username: String, reason: String },
    /// The content folder cannot be read, or the folder of uploads not be made.
    #[error("the network cannot use {path}: {source}; set hub.content_dir, and hub.store, to paths that this user may use", path = .path.display())]
    Content { path: PathBuf, source: io::Error },
    /// The database cannot be opened.
    #[error(
        "the network cannot open its store {path}: {source}; it is of one hub at a time, and a damaged one has to be replaced by a copy, or removed",
        path = .path.display()
    )]
    Store { path: PathBuf, source: StoreError },
    /// Accepting connections failed.
    #[error("the network on {address} stopped serving: {source}")]
    Serve {
        address: SocketAddr,
        source: io::Error,
    },
}

impl HubError {
    pub(super) fn bind(address: SocketAddr, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::AddrInUse {
            Self::Busy { address, source }
        } else {
            Self::Bind { address, source }
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
