//! Errors of the router.

use crate::shares::Full;
use expd_domain::Quoted;

/// Reason why the router refused a call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouterError {
    #[error(
        "too many listeners: {full}, of {most} in total (daemon.limits.max_listeners); end some, or raise it"
    )]
    TooManyListeners { most: usize, full: Full },
    /// The instance's limit of channels is reached.
    #[error(
        "too many channels of this instance: {full}, of {most} in total (daemon.limits.max_channels); end some listeners, or raise it"
    )]
    TooManyChannels { most: usize, full: Full },
    /// The user's share of memory is used up.
    #[error(
        "too many bytes of names of listeners and channels: {full}, of {most} in total (daemon.limits.max_call_bytes); end some listeners, or raise it"
    )]
    TooMuchMemory { most: usize, full: Full },
    /// The log has not reached the resume position.
    #[error(
        "resume.after is {after}, but the log has only reached {newest}; give a sequence that was received from it"
    )]
    ResumeAhead { after: u64, newest: u64 },
    #[error("no listener has the ID {id}; it may have ended already", id = Quoted(.0))]
    UnknownListener(String),
    #[error(
        "the instance has ended: with the call that ran it (RunInstance), or by a reload of the settings"
    )]
    InstanceEnded,
    #[error("the daemon is stopping")]
    Stopping,
}
