//! Options that several commands share.

use std::time::Duration;

use clap::Args;

use super::zone::Zone;
use crate::config::{LogLevel, UnitError, parse_duration};
use expd_domain::Channel;

/// Options that complete a channel's name.
#[derive(Debug, Default, Args)]
pub(super) struct ChannelFlags {
    /// System channel, on which EXP itself sends; for listening only
    #[arg(long)]
    system: bool,
    /// Consumer channel, open to consumer apps
    #[arg(long)]
    consumer: bool,
}

impl ChannelFlags {
    /// The options of a system channel.
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

/// Option that selects a configured identity.
#[derive(Debug, Args)]
pub(super) struct InstanceFlag {
    /// Configured identity to use [default: default]
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

/// Option that shows times in this host's zone.
#[derive(Debug, Default, Args)]
pub(super) struct LocalTimeFlag {
    /// Show times in this host's time zone instead of UTC
    #[arg(long)]
    local_time: bool,
}

impl LocalTimeFlag {
    pub(super) fn zone(&self) -> Zone {
        Zone::new(self.local_time)
    }
}

/// Option that sets the log level, for commands that log.
#[derive(Debug, Args)]
pub(super) struct LogFlag {
    /// Log level: error, warn, info, debug or trace [default: daemon.log of the settings]; -v is
    /// debug, -vv trace
    #[arg(long, value_name = "LEVEL", value_parser = level)]
    log: Option<LogLevel>,
}

impl LogFlag {
    /// The level from the command line; none leaves it to the settings.
    pub(super) fn level(&self, verbose: u8) -> Option<LogLevel> {
        self.log.or(match verbose {
            0 => None,
            1 => Some(LogLevel::Debug),
            _ => Some(LogLevel::Trace),
        })
    }
}

/// Error of parsing a log level.
#[derive(Debug, thiserror::Error)]
#[error("expected {}", LogLevel::WORDS.join(", "))]
struct NotALevel;

fn level(text: &str) -> Result<LogLevel, NotALevel> {
    LogLevel::from_word(text).ok_or(NotALevel)
}

/// Longest timeout or wait that the daemon accepts.
const LONGEST: Duration = Duration::from_secs(3600);

/// Error of parsing the duration of a call.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallDurationError {
    #[error(transparent)]
    Unit(#[from] UnitError),
    #[error("at most 1h")]
    TooLong,
}

/// Parses the duration of a call: at most one hour.
///
/// # Errors
/// The text is not a duration, or the duration is too long.
pub(super) fn call_duration(text: &str) -> Result<Duration, CallDurationError> {
    let duration = parse_duration(text)?;
    if duration > LONGEST {
        return Err(CallDurationError::TooLong);
    }
    Ok(duration)
}
