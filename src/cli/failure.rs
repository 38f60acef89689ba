//! Failures of a command, and the exit status of each.

use std::io;
use std::process::ExitCode;

use crate::daemon::RunError;
use crate::logging::LoggingError;
use expd_client::ClientError;
use expd_hub::HubError;
use expd_hub::operator::OperatorError;

/// Reason why a command ends without having done its work.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The daemon is not reachable, or answered with an error.
    #[error(transparent)]
    Client(#[from] ClientError),
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
    /// The command line names something that cannot be read.
    #[error("cannot read {what}: {source}")]
    Input { what: String, source: io::Error },
    /// Standard output cannot be written.
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
    /// The reader of standard output is gone, as in `| head -1`. Ends the command with success.
    #[error("nobody reads standard output any more")]
    ReaderLeft,
    /// The command ran and did not succeed.
    #[error("{0}")]
    Failed(String),
    /// The operating system refuses something that every program needs.
    #[error("cannot {what}: {source}")]
    System {
        what: &'static str,
        source: io::Error,
    },
}

impl Failure {
    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::ReaderLeft => 0,
            Self::Usage(_) | Self::Client(ClientError::Request(_)) => 2,
            Self::Client(ClientError::NotReachable { .. } | ClientError::UnsafeFolder(_)) => 3,
            Self::Client(_)
            | Self::Daemon(_)
            | Self::Hub(_)
            | Self::Operator(_)
            | Self::Logging(_)
            | Self::Input { .. }
            | Self::Output(_)
            | Self::Failed(_)
            | Self::System { .. } => 1,
        })
    }
}
