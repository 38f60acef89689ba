//! Failures of commands, and their exit statuses.

use std::io;
use std::process::ExitCode;

use crate::daemon::RunError;
use crate::logging::LoggingError;
use expd_client::{ClientError, Code, Fate};
use expd_hub::HubError;
use expd_hub::operator::OperatorError;

/// Reason why a command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The daemon is not reachable, or answered with an error.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// No daemon answers at the socket.
    #[error("{error}; {hint}")]
    NoDaemon {
        error: ClientError,
        /// The source of the socket's path.
        hint: String,
    },
    /// A broadcast, a response or a request failed; its fate is the exit status.
    #[error(transparent)]
    Sending(ClientError),
    /// One of several broadcasts failed, and ended the command.
    #[error("{place}: {failure}; {sent} sent before it")]
    Stopped {
        place: String,
        sent: u64,
        failure: Box<Failure>,
    },
    /// The network is not online, or was not in time.
    #[error("{0}")]
    NotOnline(String),
    /// The daemon did not start, or a part of it failed.
    #[error(transparent)]
    Daemon(#[from] RunError),
    /// The embedded network did not start, or failed.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// The embedded network refused its operator, or is not reachable.
    #[error(transparent)]
    Operator(#[from] OperatorError),
    /// The log cannot be opened.
    #[error(transparent)]
    Logging(#[from] LoggingError),
    /// The command line is wrong.
    #[error("{0}")]
    Usage(String),
    /// An input that the command line names cannot be read.
    #[error("cannot read {what}: {source}")]
    Input { what: String, source: io::Error },
    /// Standard output cannot be written.
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
    /// The reader of standard output is gone, as in `| head -1`. Ends the command with success.
    #[error("nobody reads standard output any more")]
    ReaderLeft,
    /// The access rules refuse the action; the output says why.
    #[error("not allowed")]
    NotAllowed,
    /// The failure is reported already, as by another process; the exit status.
    #[error("ended with status {0}")]
    Reported(u8),
    /// The command ran and did not succeed.
    #[error("{0}")]
    Failed(String),
    /// The operating system refuses what the command depends on.
    #[error("cannot {what}: {source}")]
    System {
        what: &'static str,
        source: io::Error,
    },
}

impl Failure {
    /// True if a daemon may still appear at the socket, so that waiting makes sense.
    pub(super) fn may_come(&self) -> bool {
        match self {
            Self::NoDaemon { error, .. } => error.is_transient() && !error.is_denied(),
            Self::Client(error) => matches!(error, ClientError::TimedOut { .. }),
            _ => false,
        }
    }

    /// The exit status. The help and docs/command-line.md have the table.
    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.status())
    }

    fn status(&self) -> u8 {
        match self {
            Self::Stopped { failure, .. } => failure.status(),
            Self::ReaderLeft => 0,
            Self::Reported(status) => *status,
            Self::Usage(_) => 2,
            Self::Client(error) | Self::Sending(error) if is_usage(error) => 2,
            Self::NoDaemon { .. }
            | Self::Client(
                ClientError::NotReachable { .. }
                | ClientError::UnsafeFolder(_)
                | ClientError::TimedOut { .. },
            )
            | Self::Sending(ClientError::NotReachable { .. } | ClientError::UnsafeFolder(_)) => 3,
            Self::NotOnline(_) => 4,
            Self::NotAllowed => 5,
            Self::Sending(error) => match error.fate() {
                Fate::Refused => 5,
                Fate::Unknown => 6,
                Fate::Sent => 1,
            },
            Self::Client(_)
            | Self::Daemon(_)
            | Self::Hub(_)
            | Self::Operator(_)
            | Self::Logging(_)
            | Self::Input { .. }
            | Self::Output(_)
            | Self::Failed(_)
            | Self::System { .. } => 1,
        }
    }
}

/// True if the request itself is wrong, whether the client or the daemon refuses it.
fn is_usage(error: &ClientError) -> bool {
    match error {
        ClientError::Request(_) => true,
        ClientError::Refused(refusal) => refusal.code == Code::InvalidArgument,
        _ => false,
    }
}
