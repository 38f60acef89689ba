//! Targets for which a permission is needed; the conditions of rules are compared with them.

use std::fmt;

use expd_domain::{ApiPath, Channel, Quoted};

/// Extent of a permission.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'a> {
    pub instance: &'a str,
    pub place: Place<'a>,
}

/// The part of an instance for which a permission is needed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    /// The instance itself: a rule for certain channels or requests suffices.
    Instance,
    /// All channels: no rule for certain channels or events suffices.
    EveryChannel,
    Channel(&'a Channel),
    /// An event on a channel; without a name a rule for certain events suffices.
    Event(&'a Channel, Option<&'a str>),
    /// A request of the API, by its method and path.
    Request(&'a str, &'a ApiPath),
}

impl<'a> Place<'a> {
    /// The channel, where there is one.
    pub(crate) fn channel(&self) -> Option<&'a Channel> {
        match self {
            Self::Channel(channel) | Self::Event(channel, _) => Some(channel),
            Self::Instance | Self::EveryChannel | Self::Request(..) => None,
        }
    }
}

impl fmt::Display for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instance = Quoted(self.instance);
        match self.place {
            Place::Instance => write!(f, "on instance {instance}"),
            Place::EveryChannel => {
                write!(f, "on instance {instance}, without regard to channels")
            }
            Place::Channel(channel) | Place::Event(channel, None) => {
                write!(f, "on channel {channel} of instance {instance}")
            }
            Place::Event(channel, Some(event)) => {
                let event = Quoted(event);
                write!(
                    f,
                    "on channel {channel} of instance {instance}, event {event}"
                )
            }
            Place::Request(method, path) => {
                let (method, path) = (Quoted(method), Quoted(path.as_str()));
                write!(f, "on instance {instance}, method {method}, path {path}")
            }
        }
    }
}
