//! Why the router refuses a call.

use crate::shares::Full;
use expd_domain::Quoted;

/// Why a listener could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouterError {
    /// The host's bound on listeners.
    #[error(
        "too many listeners: {full}, of {most} (daemon.limits.max_listeners); end some, or raise it"
    )]
    TooManyListeners {
        /// The limit.
        most: usize,
        /// Who has them.
        full: Full,
    },
    /// The instance's bound on channels.
    #[error(
        "too many channels of this instance: {full}, of {most} (daemon.limits.max_channels); end some listeners, or raise it"
    )]
    TooManyChannels {
        /// The limit.
        most: usize,
        /// Who has them.
        full: Full,
    },
    /// The user's memory.
    #[error(
        "too many bytes of names of listeners and channels: {full}, of {most} (daemon.limits.max_call_bytes); end some listeners, or raise it"
    )]
    TooMuchMemory {
        /// The limit.
        most: usize,
        /// Who has it.
        full: Full,
    },
    /// A resume position that the log has not reached.
    #[error(
        "resume.after is {after}, but the log has only come to {newest}; give a sequence that was received from it"
    )]
    ResumeAhead {
        /// What was asked.
        after: u64,
        /// The newest there is.
        newest: u64,
    },
    /// No such listener.
    #[error("no listener has the ID {id}; it may have ended already", id = Quoted(.0))]
    UnknownListener(String),
    /// The daemon stops.
    #[error("the daemon is stopping")]
    Stopping,
}
