//! Failures of opening a transport.

use super::{Address, Rejection};
use crate::socket::SocketError;

/// Reason why a transport did not open.
#[derive(Debug)]
pub(in crate::socket) enum OpenFailure {
    /// The server, or a proxy, answered the handshake with something else.
    Rejected(Rejection),
    /// There was no answer.
    Broken(SocketError),
}

impl OpenFailure {
    /// The error of [`open`](crate::socket::open()).
    pub fn into_error(self, address: &Address<'_>) -> SocketError {
        match self {
            Self::Rejected(Rejection::Token(words)) => address.refused(words),
            Self::Rejected(Rejection::Busy(words, retry_after)) => address.busy(words, retry_after),
            Self::Rejected(rejection) => address.failed(rejection.message()),
            Self::Broken(error) => error,
        }
    }
}
