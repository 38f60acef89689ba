//! Settings: defaults, then the file, then the environment, then systemd's credentials directory; read and checked as a
//! whole before anything is bound, with every mistake named.

pub mod settings;

pub use settings::{
    AccessRule, BroadcastChannelForm, ChannelIdSpelling, Credentials, DaemonSettings,
    InstanceSettings, Limits, LogLevel, ProtocolChoice, Settings, TransportChoice,
};
