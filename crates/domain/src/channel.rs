//! Channels, and the rules on who may do what on them.

use std::fmt;

use super::identity::IdentityKind;
use super::quoted::Quoted;

/// The longest channel or event name that is accepted, in bytes of UTF-8.
pub const MAX_NAME_BYTES: usize = 16 * 1024;

/// A channel as an app names it. An organization and a channel together name one place on the
/// network.
///
/// The same name with other flags is another channel.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Channel {
    /// Any text, even empty. Contextual names (a device's uuid, `organization`, …) have a meaning
    /// to EXP.
    pub name: String,
    /// True for the channel's system side, on which only EXP sends.
    pub system: bool,
    /// True for a channel that is open to consumer apps, which can use no other.
    pub consumer: bool,
}

impl Channel {
    /// A channel with neither flag set.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            system: false,
            consumer: false,
        }
    }

    /// The system side of this channel.
    #[must_use]
    pub fn system(mut self) -> Self {
        self.system = true;
        self
    }

    /// This channel, open to consumer apps.
    #[must_use]
    pub fn consumer(mut self) -> Self {
        self.consumer = true;
        self
    }

    /// Checks that an identity of `kind` may broadcast here.
    ///
    /// # Errors
    /// The rule that forbids it.
    pub fn may_broadcast(&self, kind: IdentityKind) -> Result<(), ChannelRule> {
        self.may_listen(kind)?;
        if self.system {
            return Err(ChannelRule::SystemBroadcast(self.name.clone()));
        }
        Ok(())
    }

    /// Checks that an identity of `kind` may listen here.
    ///
    /// # Errors
    /// The rule that forbids it.
    pub fn may_listen(&self, kind: IdentityKind) -> Result<(), ChannelRule> {
        check_length("channel", &self.name)?;
        if kind == IdentityKind::ConsumerApp && !self.consumer {
            return Err(ChannelRule::ConsumerOnly(self.name.clone()));
        }
        Ok(())
    }
}

impl From<&str> for Channel {
    /// The channel of this name, without flags.
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<String> for Channel {
    /// The channel of this name, without flags.
    fn from(name: String) -> Self {
        Self::new(name)
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Quoted(&self.name))?;
        match (self.system, self.consumer) {
            (false, false) => Ok(()),
            (true, false) => f.write_str(" (system)"),
            (false, true) => f.write_str(" (consumer)"),
            (true, true) => f.write_str(" (system, consumer)"),
        }
    }
}

/// Checks the name of an event before its broadcast.
///
/// # Errors
/// The name is empty or too long.
pub fn check_event_name(name: &str) -> Result<(), ChannelRule> {
    if name.is_empty() {
        return Err(ChannelRule::EmptyEventName);
    }
    check_length("event", name)
}

fn check_length(what: &'static str, name: &str) -> Result<(), ChannelRule> {
    if name.len() > MAX_NAME_BYTES {
        return Err(ChannelRule::LongName(what, name.len()));
    }
    Ok(())
}

/// A rule of the network that a call breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChannelRule {
    /// Only EXP itself broadcasts on system channels.
    #[error(
        "nobody may broadcast on the system channel {name}; drop the system flag, or listen on it instead", name = Quoted(.0)
    )]
    SystemBroadcast(String),
    /// Consumer apps may use consumer channels only.
    #[error(
        "this connection is a consumer app, which may use consumer channels only; set the consumer flag on {name}, or use another instance", name = Quoted(.0)
    )]
    ConsumerOnly(String),
    /// The event's name is empty.
    #[error("the event name is empty; give it a name")]
    EmptyEventName,
    /// The name is too long.
    #[error("the {0} name has {1} bytes; at most {MAX_NAME_BYTES} are allowed")]
    LongName(&'static str, usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_of_the_network_hold() {
        let plain = Channel::new("a");
        assert!(plain.may_broadcast(IdentityKind::Device).is_ok());
        assert!(matches!(
            plain.may_listen(IdentityKind::ConsumerApp),
            Err(ChannelRule::ConsumerOnly(_))
        ));
        let system = Channel::new("a").system();
        assert!(system.may_listen(IdentityKind::User).is_ok());
        assert!(matches!(
            system.may_broadcast(IdentityKind::User),
            Err(ChannelRule::SystemBroadcast(_))
        ));
        assert!(
            Channel::new("a")
                .consumer()
                .may_broadcast(IdentityKind::ConsumerApp)
                .is_ok()
        );
        assert!(Channel::new("").may_broadcast(IdentityKind::User).is_ok());
        assert!(check_event_name("").is_err());
        assert!(check_event_name(&"x".repeat(MAX_NAME_BYTES + 1)).is_err());
    }
}
