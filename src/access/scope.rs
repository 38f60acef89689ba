//! Targets for which a permission is needed; the conditions of rules are compared with them.

use std::fmt;

use expd_domain::{ApiPath, Channel, Quoted};

/// Extent of a permission.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'a> {
    pub instance: &'a str,
    pub target: Target<'a>,
}

/// The part of an instance for which a permission is needed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target<'a> {
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

impl<'a> Target<'a> {
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
        match self.target {
            Target::Instance => write!(f, "on instance {instance}"),
            Target::EveryChannel => {
                write!(f, "on instance {instance}, without regard to channels")
            }
            Target::Channel(channel) | Target::Event(channel, None) => {
                write!(f, "on channel {channel} of instance {instance}")
            }
            Target::Event(channel, Some(event)) => {
                let event = Quoted(event);
                write!(
                    f,
                    "on channel {channel} of instance {instance}, event {event}"
                )
            }
            Target::Request(method, path) => {
                let (method, path) = (Quoted(method), Quoted(path.as_str()));
                write!(f, "on instance {instance}, method {method}, path {path}")
            }
        }
    }
}
