//! The events that operators filter on, each with a stable `MESSAGE_ID` in the journal.
//!
//! A record names its event with the field `event`. docs/journal.md lists them, and
//! packaging/journal/expd.catalog explains them to `journalctl -x`; a test compares the three. An
//! ID never changes its meaning: an event that is no longer logged keeps its ID unused.

use log::Level;
use log::kv::{ToValue, Value};

/// Key of the field that names a record's event.
pub const EVENT: &str = "event";

/// An event of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalEvent {
    /// The daemon serves on its socket.
    Started,
    /// The daemon was stopped.
    Stopped,
    /// EXP accepted the instance's credentials.
    LoggedIn,
    /// The live socket is open: broadcasts arrive.
    Online,
    /// The live socket of the instance is closed.
    Offline,
    /// A login failed for another reason than the credentials.
    LoginFailed,
    /// The opening of the live socket failed again during an outage.
    ConnectFailed,
    /// EXP refuses the credentials of the instance.
    Refused,
    /// The device waits to be paired.
    Pairing,
    /// The device was paired: EXP gave it credentials.
    Paired,
    /// EXP has unpaired the device.
    Unpaired,
    /// The credentials that a pairing gave could not be written to `daemon.state_dir`.
    CredentialsNotSaved,
    /// Credentials that could not be stored before are stored now.
    CredentialsSaved,
    /// The daemon ended although the credentials of a pairing could not be stored.
    CredentialsLost,
    /// Broadcasts may have been missed, and the listeners of the channel were told.
    Gap,
    /// The network refuses or does not confirm channels that programs listen to.
    SubscriptionRefused,
    /// A program or page asked for something that no `[[access]]` rule allows it, or called over
    /// TCP without a token.
    AccessDenied,
    /// A program was refused because a limit is reached (daemon.limits, or its user's share of
    /// one).
    LimitHit,
    /// The daemon closed the socket of a page that did not read, or may have missed something.
    PageCut,
    /// A page, or something that poses as one, was refused at the door for pages: its origin, its
    /// host, its app or its key.
    PageRefused,
    /// The settings have a mistake.
    SettingsRefused,
    /// The settings were reloaded; changes that need no restart apply.
    SettingsApplied,
    /// Settings have changed that apply only after a restart.
    RestartNeeded,
    /// The settings are valid, but something in them is probably not intended.
    SettingsWarning,
    /// This machine's clock is far from EXP's.
    ClockWrong,
    /// A part of the daemon failed in a way that should not be possible.
    Defect,
}

/// An event's name, `MESSAGE_ID` and level.
type Entry = (&'static str, &'static str, Level);

impl JournalEvent {
    /// All events, in the order of the documentation.
    pub const ALL: [Self; 26] = [
        Self::Started,
        Self::Stopped,
        Self::LoggedIn,
        Self::Online,
        Self::Offline,
        Self::LoginFailed,
        Self::ConnectFailed,
        Self::Refused,
        Self::Pairing,
        Self::Paired,
        Self::Unpaired,
        Self::CredentialsNotSaved,
        Self::CredentialsSaved,
        Self::CredentialsLost,
        Self::Gap,
        Self::SubscriptionRefused,
        Self::AccessDenied,
        Self::LimitHit,
        Self::PageCut,
        Self::PageRefused,
        Self::SettingsRefused,
        Self::SettingsApplied,
        Self::RestartNeeded,
        Self::SettingsWarning,
        Self::ClockWrong,
        Self::Defect,
    ];

    const fn entry(self) -> Entry {
        match self {
            Self::Started => ("started", "bb49a170c290428abf9ea41770d17c30", Level::Info),
            Self::Stopped => ("stopped", "e0f082a271824ad88f7f13789e8f0fd2", Level::Info),
            Self::LoggedIn => ("logged-in", "206288fc24914f4caf00be2f1c72d20d", Level::Info),
            Self::Online => ("online", "a7e7f1628aa64c9eba786d2acc535fd4", Level::Info),
            Self::Offline => ("offline", "d0ac2b0d0745401c8d7fba9aa4188595", Level::Warn),
            Self::LoginFailed => (
                "login-failed",
                "7a4419091f2b47559f0b55471d88e75d",
                Level::Warn,
            ),
            Self::ConnectFailed => (
                "connect-failed",
                "d32079fa6f1442a397f5c1bd34b0646d",
                Level::Warn,
            ),
            Self::Refused => ("refused", "b2f53f69b153492e8beb99e5c8464db0", Level::Error),
            Self::Pairing => ("pairing", "679fa81f6b094a30a6db6f5c71e700f9", Level::Info),
            Self::Paired => ("paired", "bdc1b5729dde4071ac76d777325189be", Level::Info),
            Self::Unpaired => ("unpaired", "03794ad874404567b4d377a4e43c2215", Level::Warn),
            Self::CredentialsNotSaved => (
                "credentials-not-saved",
                "5e69c6b36f4848f8a035b7cef54d118b",
                Level::Error,
            ),
            Self::CredentialsSaved => (
                "credentials-saved",
                "2fb3c069f95048ddb0aa5d0d5caee61b",
                Level::Info,
            ),
            Self::CredentialsLost => (
                "credentials-lost",
                "2c4550c0b9fa4f2a81284764f823daca",
                Level::Error,
            ),
            Self::Gap => ("gap", "6bbf72358cd94c5193f1cd2161f5d043", Level::Warn),
            Self::SubscriptionRefused => (
                "subscription-refused",
                "286a51cb94b341c08107d2a576b2a5f4",
                Level::Warn,
            ),
            Self::AccessDenied => (
                "access-denied",
                "f8dae28423c1424986ac839bdf97d544",
                Level::Warn,
            ),
            Self::LimitHit => ("limit-hit", "ebb8115fc2be48058b27dee902d45d62", Level::Warn),
            Self::PageCut => ("page-cut", "3374a30d551c41d0ac8b1189e616a2ad", Level::Warn),
            Self::PageRefused => (
                "page-refused",
                "b28130da2f7943fb8c901213176d3a92",
                Level::Warn,
            ),
            Self::SettingsRefused => (
                "settings-refused",
                "4685d15e65a34a1d9d4d1478eb63b11a",
                Level::Error,
            ),
            Self::SettingsApplied => (
                "settings-applied",
                "4bee3558f3dc488b8312f8a2e691f56c",
                Level::Info,
            ),
            Self::RestartNeeded => (
                "restart-needed",
                "b870766321764ad995334b64d600815f",
                Level::Warn,
            ),
            Self::SettingsWarning => (
                "settings-warning",
                "293ec994b69c4b25b55c030e3021beda",
                Level::Warn,
            ),
            Self::ClockWrong => (
                "clock-wrong",
                "df2ebca57c3e4e029d7d64d4729e611d",
                Level::Warn,
            ),
            Self::Defect => ("defect", "2619c89d94ed4d41a9e55db210259842", Level::Error),
        }
    }

    /// Its name, in the field `event` and in `EXP_EVENT`.
    pub const fn as_str(self) -> &'static str {
        self.entry().0
    }

    /// Its `MESSAGE_ID`.
    pub const fn message_id(self) -> &'static str {
        self.entry().1
    }

    /// The level at which it is logged.
    pub const fn level(self) -> Level {
        self.entry().2
    }

    /// The event with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == name)
    }
}

impl ToValue for JournalEvent {
    fn to_value(&self) -> Value<'_> {
        Value::from(self.as_str())
    }
}
