//! Options that several commands share.

use clap::Args;

use expd_domain::Channel;

/// The options that make a channel of its name.
#[derive(Debug, Default, Args)]
pub(super) struct ChannelFlags {
    /// The channel's system side, on which EXP itself sends; for listening only
    #[arg(long)]
    system: bool,
    /// The channel that is open to consumer apps
    #[arg(long)]
    consumer: bool,
}

impl ChannelFlags {
    /// Those of a system channel.
    pub(super) fn system() -> Self {
        Self {
            system: true,
            consumer: false,
        }
    }

    pub(super) fn channel(&self, name: &str) -> Channel {
        Channel {
            name: name.to_owned(),
            system: self.system,
            consumer: self.consumer,
        }
    }
}

/// The option that chooses a configured identity.
#[derive(Debug, Args)]
pub(super) struct InstanceFlag {
    /// The configured identity to use, by its name [default: default]
    #[arg(
        id = "instance",
        long = "instance",
        value_name = "NAME",
        default_value = "",
        hide_default_value = true,
        help_heading = "The daemon"
    )]
    pub(super) name: String,
}
