//! Errors of listeners in pull form.

use expd_domain::Quoted;

/// Reason for not checking out a listener.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PullError {
    /// Never opened, cancelled, or idle for too long.
    #[error(
        "no listener has the ID {id}: it was never opened, was cancelled, or was idle for 60 s; open another", id = Quoted(.0)
    )]
    Unknown(String),
    /// The client acknowledges more than was handed out.
    #[error(
        "after is {after}, but the last event handed to this listener is {furthest}; give the sequence of the last event that arrived from it"
    )]
    Ahead {
        /// The acknowledged sequence.
        after: u64,
        /// The last sequence handed out.
        furthest: u64,
    },
    /// Checked out by another call.
    #[error(
        "another NextEvent waits on listener {id}; ask again when it has returned, or open a listener of your own", id = Quoted(.0)
    )]
    Busy(String),
}
