//! Operations that callers ask for.

use std::sync::Arc;

use expd_domain::{ApiPath, Channel, ChannelId};

use super::caller::Caller;

/// The caller that a listener belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenerOwner {
    /// A local user.
    User(u32),
    /// The holders of the bearer token of this name.
    Token(Arc<str>),
    /// The pages of an app.
    Pages,
    /// An unidentified caller.
    Unknown,
}

impl ListenerOwner {
    /// The owner of a listener that this caller opens.
    pub fn of(caller: &Caller) -> Self {
        match (caller.peer(), caller.token(), caller.page()) {
            (Some(peer), ..) => Self::User(peer.uid),
            (None, Some(token), _) => Self::Token(token.clone()),
            (None, None, Some(_)) => Self::Pages,
            (None, None, None) => Self::Unknown,
        }
    }
}

/// An operation on one instance.
#[derive(Clone, Debug)]
pub enum Action<'a> {
    /// Listen on a channel: for the events of a name, or for all that the caller may hear.
    Listen(&'a Channel, Option<&'a str>),
    /// Broadcast an event on a channel. Without a name, some event must be allowed.
    Broadcast(&'a Channel, Option<&'a str>),
    /// Respond to a broadcast on a channel. Without one, the right must hold for every channel.
    Respond(Option<Channel>),
    /// Send a request to EXP's API, with this method and path.
    Request(&'a str, &'a ApiPath),
    /// Read the identity that the instance is logged in as.
    ReadIdentity,
    /// Run an identity that the caller brings along, as an instance of this name.
    Run,
    /// See the instance in the status.
    ReadStatus,
    /// See one channel and its listeners in the status.
    ReadChannelStatus(&'a Channel),
    /// Read, cancel or clear a listener.
    UseListener {
        /// The caller that opened it.
        owner: &'a ListenerOwner,
        /// The listener's channel.
        channel: &'a Channel,
        /// The event that it asked for; none for all.
        event: Option<&'a str>,
    },
    /// Administer a channel, or the instance as a whole.
    Administer(Option<&'a Channel>),
}

impl Action<'_> {
    /// A response on the channel with this ID; the channel is unknown if the ID cannot be decoded.
    pub fn respond_on(id: &ChannelId) -> Self {
        Self::Respond(id.decode().ok().map(|(_, channel)| channel))
    }
}
