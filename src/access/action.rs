//! Operations that callers ask for, and the places on which rules allow them.

use std::fmt;

use expd_domain::{ApiPath, Channel, ChannelId, Quoted};

/// An operation on one instance.
#[derive(Clone, Debug)]
pub enum Action<'a> {
    /// Listen on a channel.
    Listen(&'a Channel),
    /// Broadcast on a channel.
    Broadcast(&'a Channel),
    /// Respond to a broadcast on a channel. Without one, the right must hold for every channel.
    Respond(Option<Channel>),
    /// Send a request to EXP's API.
    Request(&'a ApiPath),
    /// Read the identity that the instance is logged in as.
    ReadIdentity,
    /// Run an identity that the caller brings along, as an instance of that name.
    Run,
    /// See the instance in the status.
    ReadStatus,
    /// See one channel and its listeners in the status.
    ReadChannelStatus(&'a Channel),
    /// Read, cancel or clear a listener.
    UseListener {
        /// The user that opened it; none where that was over TCP.
        owner: Option<u32>,
        /// The listener's channel.
        channel: &'a Channel,
    },
    /// Read or cancel the listener of a web page on this channel.
    UsePageListener(&'a Channel),
    /// Administer a channel, or what concerns the instance as a whole.
    Administer(Option<&'a Channel>),
}

impl Action<'_> {
    /// A response on the channel with this ID, which may not reveal the channel.
    pub fn respond_on(id: &ChannelId) -> Self {
        Self::Respond(id.decode().ok().map(|(_, channel)| channel))
    }
}

/// Extent of a permission.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scope<'a> {
    /// An instance, whatever the channel: a rule for certain channels suffices.
    Instance(&'a str),
    /// All channels of an instance: a rule for certain channels does not suffice.
    EveryChannel(&'a str),
    /// A channel of an instance.
    Channel(&'a str, &'a Channel),
}

impl<'a> Scope<'a> {
    pub(super) fn instance(&self) -> &'a str {
        let (Self::Instance(name) | Self::EveryChannel(name) | Self::Channel(name, _)) = self;
        name
    }
}

impl fmt::Display for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance(instance) => write!(f, "on instance {}", Quoted(instance)),
            Self::EveryChannel(instance) => {
                let instance = Quoted(instance);
                write!(f, "on instance {instance}, without regard to channels")
            }
            Self::Channel(instance, channel) => {
                let (name, instance) = (Quoted(&channel.name), Quoted(instance));
                write!(f, "on channel {name} of instance {instance}")
            }
        }
    }
}
