//! Failures of opening a transport.

use super::{Address, Rejection};
use crate::socket::SocketError;

#[derive(Debug)]
pub(in crate::socket) enum OpenFailure {
    /// The server, or a proxy, responded to the handshake with an error.
    Rejected(Rejection),
    /// There was no response.
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
