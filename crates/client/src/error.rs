//! Errors of calls, and the only conversion of a gRPC status into an error.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tonic::Code;
use tonic_types::StatusExt as _;

use expd_domain::{Channel, Fate};

use crate::api_error::ApiError;
use crate::connection::RefusedByDaemon;
use crate::socket_path::UnsafeFolder;

/// Error of a call to the daemon.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// No daemon listens on the socket. The call was not carried out.
    #[error("no daemon answers at {}: {reason}; {remedy}", path.display())]
    NotReachable {
        /// The socket.
        path: PathBuf,
        /// The cause.
        reason: String,
        /// Remedy for the operator.
        remedy: &'static str,
        /// True if this user may not open the socket, which waiting does not change.
        denied: bool,
    },
    /// The socket's folder is not safe to use.
    #[error(transparent)]
    UnsafeFolder(#[from] UnsafeFolder),
    /// The connection to the daemon broke during the call.
    #[error(
        "the connection to the daemon at {} broke ({reason}); the call may have been carried out",
        path.display()
    )]
    ConnectionLost {
        /// The socket.
        path: PathBuf,
        /// The cause.
        reason: String,
    },
    /// The daemon responded with an error.
    #[error(transparent)]
    Refused(#[from] Box<Refusal>),
    /// The daemon did not respond in time.
    #[error("the daemon at {} did not answer in time; its log may tell why", path.display())]
    TimedOut {
        /// The socket.
        path: PathBuf,
    },
    /// The response does not follow the contract as this version of the client knows it.
    #[error(
        "the daemon's answer cannot be understood: {0}; \
         does it have another version than this program?"
    )]
    Contract(String),
    /// The daemon does not know this call: it is older than this program.
    #[error(
        "the daemon at {} does not know the call {call}: it is older than this program, which was \
         built with expd-client {}; update expd, or do without the call",
        path.display(),
        env!("CARGO_PKG_VERSION")
    )]
    Unimplemented {
        /// The socket.
        path: PathBuf,
        /// The call, as `Api.Fetch`.
        call: &'static str,
    },
    /// The request cannot be expressed in the contract. Nothing was sent.
    #[error("{0}")]
    Request(String),
    /// EXP refused a call to its API.
    #[error(transparent)]
    Api(Box<ApiError>),
    /// The network did not confirm a channel in time; the listener was not opened.
    #[error(
        "EXP did not confirm channel {channel} within {}; is the daemon online? See `expd status`",
        humantime::format_duration(*timeout)
    )]
    NotConfirmed {
        /// The channel.
        channel: Box<Channel>,
        /// The timeout.
        timeout: Duration,
    },
    /// The identity was stopped by this program ([`Exp::stop`](crate::Exp::stop)).
    #[error("this identity was stopped; start another one")]
    Stopped,
    /// This program's own identity ended by itself, for good.
    #[error("this program's identity has ended: {0}")]
    Ended(String),
}

/// An error that the daemon responded with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The gRPC status code.
    pub code: Code,
    /// The cause and the remedy, for people.
    pub message: String,
    /// The daemon's reason in one word for programs (`google.rpc.ErrorInfo`), such as `OFFLINE` or
    /// `STOPPING`; `None` if EXP refused the call, or the daemon names none.
    pub reason: Option<String>,
    /// EXP's own error, if EXP refused the call.
    pub exp: Option<ExpError>,
    /// Time after which another attempt makes sense, if the daemon knows it.
    pub retry_after: Option<Duration>,
    /// Outcome of the call, if the daemon reports it.
    pub fate: Option<Fate>,
}

/// EXP's error for a call that it refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpError {
    /// A short name for programs.
    pub code: String,
    /// A sentence for people.
    pub message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.message.is_empty() {
            write!(f, "{}", self.code)?;
        } else {
            write!(f, "{}", self.message)?;
        }
        if let Some(exp) = &self.exp {
            // The daemon's message often quotes EXP's error already.
            if !exp.code.is_empty() && !self.message.contains(&exp.code) {
                write!(f, " [{}]", exp.code)?;
            }
            if !exp.message.is_empty() && !self.message.contains(&exp.message) {
                write!(f, " (EXP says: {})", exp.message)?;
            }
        }
        if let Some(wait) = self.retry_after {
            // Microseconds are of no use to a reader.
            let wait = Duration::from_millis(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
            write!(f, "; try again in {}", humantime::format_duration(wait))?;
        }
        Ok(())
    }
}

impl Error for Refusal {}

impl ClientError {
    /// True if a listener may reconnect: the daemon is stopping, gone or unreachable, and may come
    /// back.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NotReachable { .. } | Self::ConnectionLost { .. } | Self::TimedOut { .. } => true,
            Self::Refused(refusal) => refusal.code == Code::Unavailable,
            Self::UnsafeFolder(_)
            | Self::Contract(_)
            | Self::Unimplemented { .. }
            | Self::Request(_)
            | Self::Api(_)
            | Self::NotConfirmed { .. }
            | Self::Stopped
            | Self::Ended(_) => false,
        }
    }

    /// True if this user may not open the daemon's socket.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::NotReachable { denied: true, .. })
    }

    /// The daemon's reason in one word for programs, as in [`Refusal::reason`].
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Refused(refusal) => refusal.reason.as_deref(),
            _ => None,
        }
    }

    /// Time after which another attempt makes sense, if the daemon reports it.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) => refusal.retry_after,
            _ => None,
        }
    }

    /// Outcome of the broadcast, response or request that failed with this error.
    pub fn fate(&self) -> Fate {
        match self {
            Self::NotReachable { .. }
            | Self::UnsafeFolder(_)
            | Self::Unimplemented { .. }
            | Self::Request(_)
            | Self::Api(_)
            | Self::NotConfirmed { .. }
            | Self::Stopped
            | Self::Ended(_) => Fate::Refused,
            Self::ConnectionLost { .. } | Self::TimedOut { .. } | Self::Contract(_) => {
                Fate::Unknown
            }
            Self::Refused(refusal) => refusal.fate.unwrap_or(match refusal.code {
                // Also the codes of a daemon or a library that does not know the outcome.
                Code::Cancelled
                | Code::DeadlineExceeded
                | Code::Internal
                | Code::Unavailable
                | Code::Unknown => Fate::Unknown,
                _ => Fate::Refused,
            }),
        }
    }

    pub(crate) fn from_transport(path: &Path, error: &tonic::transport::Error) -> Self {
        if let Some(reason) = refusal(error) {
            return Self::connection_refused(path, &reason);
        }
        match find::<ConnectFailed>(error) {
            Some(failed) => Self::not_reachable(path, &failed.0),
            None => Self::NotReachable {
                path: path.to_owned(),
                reason: innermost(error),
                remedy: "is it a daemon that listens there? Name the right socket with --socket or EXPD_SOCKET",
                denied: false,
            },
        }
    }

    fn connection_refused(path: &Path, reason: &str) -> Self {
        Self::NotReachable {
            path: path.to_owned(),
            reason: format!("the daemon refuses the connection: {reason}"),
            remedy: "the call was not carried out",
            denied: false,
        }
    }

    fn not_reachable(path: &Path, error: &io::Error) -> Self {
        let (reason, remedy) = match error.kind() {
            io::ErrorKind::NotFound => (
                "there is no socket".to_owned(),
                "start a daemon with `expd serve`, or name its socket with --socket or EXPD_SOCKET",
            ),
            io::ErrorKind::ConnectionRefused => (
                "nobody listens on it".to_owned(),
                "start a daemon with `expd serve`, or name its socket with --socket or EXPD_SOCKET",
            ),
            io::ErrorKind::PermissionDenied => (
                format!(
                    "this user (uid {}) may not open it",
                    rustix::process::geteuid().as_raw()
                ),
                "join the group that owns the socket (the setting daemon.socket_group), or run this as its owner",
            ),
            _ => (
                error.to_string(),
                "check the path, or name another socket with --socket or EXPD_SOCKET",
            ),
        };
        Self::NotReachable {
            path: path.to_owned(),
            reason,
            remedy,
            denied: error.kind() == io::ErrorKind::PermissionDenied,
        }
    }

    /// Converts a status. One without a source is the daemon's response; one with a source was made
    /// by this side's transport, for a connection that could not be opened or broke.
    pub(crate) fn from_status(path: &Path, call: &'static str, status: &tonic::Status) -> Self {
        if let Some(source) = status.source() {
            if let Some(failed) = find::<ConnectFailed>(source) {
                return Self::not_reachable(path, &failed.0);
            }
            if find::<tonic::TimeoutExpired>(source).is_some() {
                return Self::TimedOut {
                    path: path.to_owned(),
                };
            }
            if let Some(reason) = refusal(source) {
                return Self::connection_refused(path, &reason);
            }
            if chain(source).any(never_left) {
                return Self::NotReachable {
                    path: path.to_owned(),
                    reason: format!("it is closing the connection ({})", innermost(source)),
                    remedy: "the call was not carried out; try again when the daemon is back",
                    denied: false,
                };
            }
            return Self::ConnectionLost {
                path: path.to_owned(),
                reason: innermost(source),
            };
        }
        if status.code() == Code::Unimplemented {
            return Self::Unimplemented {
                path: path.to_owned(),
                call,
            };
        }
        let details = status.get_error_details();
        let info = details.error_info();
        // Without EXP's message, the reason is the daemon's own.
        let exp = info.and_then(|info| {
            Some(ExpError {
                code: info.reason.clone(),
                message: info.metadata.get("message")?.clone(),
            })
        });
        let reason = info
            .filter(|_| exp.is_none())
            .map(|info| info.reason.clone());
        let fate = info.and_then(|info| Fate::from_word(info.metadata.get("fate")?));
        let retry_after = details.retry_info().and_then(|info| info.retry_delay);
        Self::Refused(Box::new(Refusal {
            code: status.code(),
            message: status.message().to_owned(),
            reason,
            exp,
            retry_after,
            fate,
        }))
    }
}

/// I/O error of connecting to the socket; the type identifies it within the transport's own errors.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct ConnectFailed(pub(crate) io::Error);

/// The error and all errors that it wraps, the outermost first.
fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// True for an error after which the daemon cannot have seen the call: the library still held it
/// when the connection closed, or the daemon had sent GOAWAY before it arrived (RFC 9113, 8.7).
fn never_left(error: &(dyn Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        return error.is_canceled();
    }
    error.downcast_ref::<h2::Error>().is_some_and(|error| {
        let said = |reason| error.is_remote() && error.reason() == Some(reason);
        error.is_reset() && said(h2::Reason::REFUSED_STREAM)
            || error.is_go_away() && said(h2::Reason::NO_ERROR)
    })
}

/// The daemon's reason for refusing the connection, as `DaemonStream` hands it to the HTTP/2
/// library.
fn refusal(error: &(dyn Error + 'static)) -> Option<String> {
    chain(error).find_map(|error| {
        let io = error.downcast_ref::<io::Error>();
        let io = io.or_else(|| error.downcast_ref::<h2::Error>()?.get_io())?;
        Some(io.get_ref()?.downcast_ref::<RefusedByDaemon>()?.to_string())
    })
}

fn find<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    chain(error).find_map(|error| error.downcast_ref())
}

/// Message of the innermost error; the outer ones only say "transport error".
fn innermost(error: &(dyn Error + 'static)) -> String {
    chain(error)
        .last()
        .map_or_else(|| error.to_string(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn an_answer_of_the_daemon_keeps_exps_words_and_the_hint() {
        let mut details = ErrorDetails::new();
        details
            .set_error_info(
                "network.broadcast.unknown",
                "exp",
                HashMap::from([("message".to_owned(), "No such broadcast.".to_owned())]),
            )
            .set_retry_info(Some(Duration::from_millis(1500)));
        let status =
            tonic::Status::with_error_details(Code::NotFound, "EXP refused the response", details);
        let ClientError::Refused(refusal) =
            ClientError::from_status(Path::new("/s"), "Network.Respond", &status)
        else {
            panic!("not taken as the daemon's answer");
        };
        assert_eq!(refusal.code, Code::NotFound);
        assert_eq!(refusal.reason, None, "the code is EXP's");
        assert_eq!(refusal.retry_after, Some(Duration::from_millis(1500)));
        assert_eq!(
            refusal.to_string(),
            "EXP refused the response [network.broadcast.unknown] (EXP says: No such broadcast.); try again in 1s 500ms"
        );
    }

    #[test]
    fn a_reason_of_the_daemon_is_told_to_programs() {
        let mut details = ErrorDetails::new();
        details.set_error_info("STOPPING", "expd", HashMap::new());
        let status = tonic::Status::with_error_details(Code::Unavailable, "words", details);
        let error = ClientError::from_status(Path::new("/s"), "Network.Listen", &status);
        assert_eq!(error.reason(), Some("STOPPING"));
        let status = tonic::Status::new(Code::Unavailable, "the daemon is stopping");
        let error = ClientError::from_status(Path::new("/s"), "Network.Listen", &status);
        assert_eq!(error.reason(), None);
    }

    #[test]
    fn only_a_daemon_that_may_come_back_is_waited_for() {
        let answer = |code| {
            ClientError::from_status(
                Path::new("/s"),
                "Network.Respond",
                &tonic::Status::new(code, "words"),
            )
        };
        assert!(answer(Code::Unavailable).is_transient());
        for code in [
            Code::Cancelled,
            Code::InvalidArgument,
            Code::PermissionDenied,
            Code::ResourceExhausted,
            Code::Unauthenticated,
            Code::Unknown,
        ] {
            assert!(!answer(code).is_transient(), "{code:?}");
        }
    }
}
