//! Errors of a bridge.

use super::waiting::QueueFull;
use crate::router::RouterError;
use crate::shares;
use crate::upstream::transport::CallError;
use expd_domain::{ChannelRule, Quoted};

#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// A rule of the network is broken.
    #[error(transparent)]
    Rule(#[from] ChannelRule),
    /// The call to EXP failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The router refused a listener.
    #[error(transparent)]
    Router(#[from] RouterError),
    /// Too many calls are open.
    #[error(
        "nothing was sent: too many calls to EXP of this instance: {full}, of {most} in total (daemon.limits.max_calls); wait for some to finish, or raise it"
    )]
    TooManyCalls { most: usize, full: shares::Full },
    /// The user sends more than its rate.
    #[error("nothing was sent: {0}")]
    TooFast(#[from] shares::TooFast),
    /// Too many broadcasts wait for the connection.
    #[error(transparent)]
    QueueFull(#[from] QueueFull),
    /// A reload revoked the right while a broadcast waited for the connection.
    #[error(
        "permission to broadcast was revoked by a reload while this waited for the connection; nothing was sent; allow it in [[access]] again"
    )]
    RightTaken,
    /// The daemon stops while a broadcast waits for the connection.
    #[error("the daemon is stopping, and nothing was sent; send it again when the daemon is back")]
    Stopping,
    /// The instance ends while a broadcast waits for the connection.
    #[error(
        "the instance has ended with the call that ran it (RunInstance), and nothing was sent; run it again"
    )]
    InstanceEnded,
    /// A reload ends the instance while a broadcast waits for the connection.
    #[error(
        "a reload has removed or replaced the instance, and nothing was sent; send it again if the instance still exists"
    )]
    InstanceRemoved,
    /// A response lacks an ID.
    #[error("{0} is empty; take it from the broadcast to respond to")]
    MissingId(&'static str),
    /// The instance opens no live socket.
    #[error(
        "instance {name} has no live socket (network = false), so it receives no events; leave that key out of its settings, or listen on another instance", name = Quoted(.instance)
    )]
    NoSocket { instance: String },
    #[error("instance {name} has not logged in yet: {reason}", name = Quoted(.instance))]
    NoIdentity { instance: String, reason: String },
}

impl BridgeError {
    /// True where a limit of the daemon is reached.
    pub fn is_of_limit(&self) -> bool {
        match self {
            Self::TooManyCalls { .. } | Self::TooFast(_) | Self::QueueFull(_) => true,
            Self::Call(error) => matches!(error, CallError::NoRoom | CallError::NoRoomToSend),
            Self::Router(error) => matches!(
                error,
                RouterError::TooManyListeners { .. }
                    | RouterError::TooManyChannels { .. }
                    | RouterError::TooMuchMemory { .. }
            ),
            _ => false,
        }
    }
}
