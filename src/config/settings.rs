//! The checked settings, as the rest of the program uses them.
//!
//! Every value is valid: secrets are read, durations and sizes parsed, names looked up.

mod credentials;
mod limits;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use credentials::Credentials;
pub use limits::{Limits, UserLimits};

use crate::access::{AccessRule, BearerToken};
use expd_domain::Secret;
use expd_hub::HubSettings;
use expd_wire::{ProtocolChoice, SocketLibrary, TransportChoice};

/// Instance of a request whose `instance` is empty.
pub const DEFAULT_INSTANCE: &str = "default";

/// Rule that [`is_instance_name`] checks, for messages.
pub const INSTANCE_NAME_RULE: &str = "use up to 64 letters, digits, - and single _";

/// True for a text that may name an instance.
pub fn is_instance_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !name.is_empty() && name.len() <= 64 && !name.contains("__") && name.bytes().all(fits)
}

/// All settings, for `expd serve` and `expd hub` alike.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub daemon: DaemonSettings,
    /// By name.
    pub instances: BTreeMap<String, InstanceSettings>,
    /// In the order of the file.
    pub access: Vec<AccessRule>,
    pub hub: HubSettings,
    pub web: WebSettings,
}

/// `[web]`: the door for pages.
#[derive(Clone, Debug, Default)]
pub struct WebSettings {
    /// Loopback address on which pages are served; `None`: the door is off.
    pub listen: Option<SocketAddr>,
    /// Folder of pages that the door itself serves.
    pub root: Option<PathBuf>,
    pub apps: Vec<WebApp>,
}

/// `[[web.apps]]`: a page that may log in at the door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebApp {
    pub name: String,
    /// The exact origins of its pages.
    pub origins: Vec<String>,
    /// The uuid of its logins.
    pub uuid: String,
    /// The key that signs them.
    pub api_key: Secret,
    /// The instance that its pages share.
    pub instance: String,
}

/// `[daemon]`
#[derive(Clone, Debug)]
pub struct DaemonSettings {
    /// Path of the Unix socket; the default path (see the command line) where not set.
    pub socket: Option<PathBuf>,
    pub socket_mode: u32,
    /// Name of the socket file's group; unchanged where not set.
    pub socket_group: Option<String>,
    /// Loopback TCP address on which the same API is served.
    pub listen: Option<SocketAddr>,
    pub tokens: Vec<BearerToken>,
    /// Folder for the credentials of paired devices; the default folder where not set.
    pub state_dir: Option<PathBuf>,
    /// Minimum level of log records.
    pub log: LogLevel,
    pub log_format: LogFormat,
    /// Loopback address on which metrics are served over HTTP at `/metrics`.
    pub metrics: Option<SocketAddr>,
    /// Unix socket on which the metrics are served too.
    pub metrics_socket: Option<PathBuf>,
    /// Time that calls in flight have to finish once the daemon is stopped.
    pub drain_timeout: Duration,
    /// `access = "open"`: the absence of access rules is intended.
    pub open: bool,
    pub limits: Limits,
}

impl Default for DaemonSettings {
    fn default() -> Self {
        Self {
            socket: None,
            socket_mode: 0o660,
            socket_group: None,
            listen: None,
            tokens: Vec::new(),
            state_dir: None,
            log: LogLevel::Info,
            log_format: LogFormat::Auto,
            metrics: None,
            metrics_socket: None,
            // Ctrl-C ends the daemon within a second, with time left to close what is still open
            // then.
            drain_timeout: Duration::from_millis(500),
            open: false,
            limits: Limits::default(),
        }
    }
}

/// Level of log records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// Failures only.
    Error,
    /// Also conditions that may need attention.
    Warn,
    /// Also changes of state that operators want to know.
    #[default]
    Info,
    /// Also every step.
    Debug,
    /// Also payloads and wire text; never secrets.
    Trace,
}

impl LogLevel {
    /// Words for the levels, from the least verbose on.
    pub const WORDS: [&'static str; 5] = ["error", "warn", "info", "debug", "trace"];

    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "error" => Some(Self::Error),
            "warn" => Some(Self::Warn),
            "info" => Some(Self::Info),
            "debug" => Some(Self::Debug),
            "trace" => Some(Self::Trace),
            _ => None,
        }
    }
}

/// Form of log records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Records of the journal if it is connected, else text.
    #[default]
    Auto,
    /// Text on standard error.
    Text,
    /// JSON on standard error, one object a line.
    Json,
}

impl LogFormat {
    pub const WORDS: [&'static str; 3] = ["auto", "text", "json"];

    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "auto" => Some(Self::Auto),
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// `[instances.NAME]`: one identity and its connection to EXP.
#[derive(Clone, PartialEq, Eq)]
pub struct InstanceSettings {
    /// Base URL of the API, without a trailing slash.
    pub host: String,
    /// Transport of the live socket.
    pub transport: TransportChoice,
    /// Engine.IO protocol of the live socket.
    pub protocol: ProtocolChoice,
    /// Implementation of Socket.IO.
    pub socket_library: SocketLibrary,
    pub hosts: HostsChoice,
    /// `false`: API calls only; no live socket is opened, and listening is refused.
    pub network: bool,
    /// HTTP proxy for API and live socket; the environment's (`HTTPS_PROXY`, `NO_PROXY`) where not
    /// set.
    pub proxy: Option<String>,
    /// PEM file of certificate authorities that are trusted in addition to the system's.
    pub ca_file: Option<PathBuf>,
    pub channel_id: ChannelIdSpelling,
    pub broadcast_channel: BroadcastChannelForm,
    pub credentials: Credentials,
}

impl InstanceSettings {
    /// EXP's own API.
    pub const DEFAULT_HOST: &str = "https://api.goexp.io";

    /// Settings with these credentials and host, and defaults for everything else.
    pub fn new(host: impl Into<String>, credentials: Credentials) -> Self {
        Self {
            host: host.into(),
            transport: TransportChoice::default(),
            protocol: ProtocolChoice::default(),
            socket_library: SocketLibrary::default(),
            hosts: HostsChoice::default(),
            network: true,
            proxy: None,
            ca_file: None,
            channel_id: ChannelIdSpelling::default(),
            broadcast_channel: BroadcastChannelForm::default(),
            credentials,
        }
    }
}

impl fmt::Debug for InstanceSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            host,
            transport,
            protocol,
            socket_library,
            hosts,
            network,
            proxy,
            ca_file,
            channel_id,
            broadcast_channel,
            credentials,
        } = self;
        // A proxy's URL may contain a password, always before its last `@`.
        let proxy = proxy.as_deref().map(|url| url.rsplit('@').next());
        f.debug_struct("InstanceSettings")
            .field("host", host)
            .field("transport", transport)
            .field("protocol", protocol)
            .field("socket_library", socket_library)
            .field("hosts", hosts)
            .field("network", network)
            .field("proxy", &proxy)
            .field("ca_file", ca_file)
            .field("channel_id", channel_id)
            .field("broadcast_channel", broadcast_channel)
            .field("credentials", credentials)
            .finish()
    }
}

/// `channel_id`: spellings of a channel ID that are subscribed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChannelIdSpelling {
    /// Both, if they differ.
    #[default]
    Both,
    /// URL-safe Base64, as in the specification.
    UrlSafe,
    /// Standard Base64, as in the SDKs.
    Standard,
}

/// `hosts`: hosts of calls and of the live socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostsChoice {
    /// Those that the login's answer announces.
    #[default]
    Announced,
    /// The configured one alone, as in the vendor's SDKs of line 5.
    Configured,
}

/// `broadcast_channel`: form of the channel in a broadcast request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BroadcastChannelForm {
    /// `{"name", "consumer"}`, as in the specification.
    #[default]
    Object,
    /// A channel ID, as in the SDKs.
    Id,
}
