//! What can be set: the checked settings as the rest of the program sees them.
//!
//! Every value here is already valid: secrets are read, durations and sizes parsed, names looked up.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::access::AccessRule;
use expd_domain::Secret;
use expd_domain::payload;
use expd_hub::HubSettings;
use expd_wire::{ProtocolChoice, SocketLibrary, TransportChoice};

/// The name of the instance that a request with an empty `instance` means.
pub const DEFAULT_INSTANCE: &str = "default";

/// Everything that one file holds, for `expd serve` and `expd hub` alike.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `[daemon]`
    pub daemon: DaemonSettings,
    /// `[instances.NAME]`
    pub instances: BTreeMap<String, InstanceSettings>,
    /// `[[access]]`, in the file's order.
    pub access: Vec<AccessRule>,
    /// `[hub]`
    pub hub: HubSettings,
}

/// `[daemon]`: the local door.
#[derive(Clone, Debug)]
pub struct DaemonSettings {
    /// Where the Unix socket is; the usual places (see the command line) when not set.
    pub socket: Option<PathBuf>,
    /// The socket file's permission bits.
    pub socket_mode: u32,
    /// The socket file's group, by name; unchanged when not set.
    pub socket_group: Option<String>,
    /// A loopback TCP address on which the same API is served too.
    pub listen: Option<SocketAddr>,
    /// Where a paired device's credentials are kept; the usual places when not set.
    pub state_dir: Option<PathBuf>,
    /// What is logged.
    pub log: LogLevel,
    /// A loopback address on which counters are served over HTTP at `/metrics`.
    pub metrics: Option<SocketAddr>,
    /// How long calls in flight may go on once the daemon was told to stop.
    pub drain_timeout: Duration,
    /// `access = "open"`: that there are no access rules is meant.
    pub open: bool,
    /// Bounds on what apps and the network may make the daemon hold.
    pub limits: Limits,
}

impl Default for DaemonSettings {
    fn default() -> Self {
        Self {
            socket: None,
            socket_mode: 0o660,
            socket_group: None,
            listen: None,
            state_dir: None,
            log: LogLevel::Info,
            metrics: None,
            // Ctrl-C ends the daemon within a second, with time left to close what is still open then.
            drain_timeout: Duration::from_millis(500),
            open: false,
            limits: Limits::default(),
        }
    }
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// Failures alone.
    Error,
    /// And what may need a look.
    Warn,
    /// And what an operator wants to know.
    #[default]
    Info,
    /// And every step.
    Debug,
    /// And payloads and wire text; secrets never.
    Trace,
}

/// `[daemon.limits]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Events that one channel's log holds.
    pub log_events: usize,
    /// Bytes that one channel's log holds; the newest event is kept whatever its size.
    pub log_bytes: usize,
    /// How long a channel's log holds an event, and how long a channel nobody listens to keeps its log and subscription.
    pub log_age: Duration,
    /// Bytes that all logs hold together.
    pub total_log_bytes: usize,
    /// Bytes of JSON text in one payload; at most [`payload::MAX_BYTES`].
    pub max_payload: usize,
    /// Listeners on the whole host.
    pub max_listeners: usize,
    /// Channels of one instance.
    pub max_channels: usize,
    /// Local connections at a time.
    pub max_connections: usize,
    /// Calls that one local connection may have open.
    pub max_calls_per_connection: usize,
    /// Bytes that local connections and calls hold together.
    pub max_call_bytes: usize,
    /// Calls to EXP in flight at a time, per instance.
    pub max_calls: usize,
    /// Broadcasts that wait for a connection, over all instances.
    pub max_waiting: usize,
    /// Bytes that these hold together.
    pub max_waiting_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            log_events: 1024,
            log_bytes: 4 << 20,
            log_age: Duration::from_secs(60),
            total_log_bytes: 64 << 20,
            max_payload: payload::MAX_BYTES,
            max_listeners: 10_000,
            max_channels: 10_000,
            max_connections: 4096,
            max_calls_per_connection: 1024,
            max_call_bytes: 128 << 20,
            max_calls: 4096,
            max_waiting: 1024,
            max_waiting_bytes: 64 << 20,
        }
    }
}

/// `[instances.NAME]`: one identity and its way to EXP.
#[derive(Clone)]
pub struct InstanceSettings {
    /// The API's base URL, without a trailing slash.
    pub host: String,
    /// How the socket travels.
    pub transport: TransportChoice,
    /// Which generation of Engine.IO the socket speaks.
    pub protocol: ProtocolChoice,
    /// Which implementation of Socket.IO carries the socket.
    pub socket_library: SocketLibrary,
    /// The HTTP proxy for API and socket; the environment's (`HTTPS_PROXY`, `NO_PROXY`) when not set.
    pub proxy: Option<String>,
    /// A PEM file of certificate authorities that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Which spellings of a channel ID are subscribed.
    pub channel_id: ChannelIdSpelling,
    /// How a broadcast names its channel.
    pub broadcast_channel: BroadcastChannelForm,
    /// Who logs in.
    pub credentials: Credentials,
}

impl InstanceSettings {
    /// EXP's own API.
    pub const DEFAULT_HOST: &str = "https://api.goexp.io";

    /// For these credentials at `host`, and everything else as it is by default.
    pub fn new(host: impl Into<String>, credentials: Credentials) -> Self {
        Self {
            host: host.into(),
            transport: TransportChoice::default(),
            protocol: ProtocolChoice::default(),
            socket_library: SocketLibrary::default(),
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
            proxy,
            ca_file,
            channel_id,
            broadcast_channel,
            credentials,
        } = self;
        // A proxy's URL may hold a password; what follows the last @ never does.
        let proxy = proxy.as_deref().map(|url| url.rsplit('@').next());
        f.debug_struct("InstanceSettings")
            .field("host", host)
            .field("transport", transport)
            .field("protocol", protocol)
            .field("socket_library", socket_library)
            .field("proxy", &proxy)
            .field("ca_file", ca_file)
            .field("channel_id", channel_id)
            .field("broadcast_channel", broadcast_channel)
            .field("credentials", credentials)
            .finish()
    }
}

/// `channel_id`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChannelIdSpelling {
    /// Both alphabets, where they differ.
    #[default]
    Both,
    /// The specification's.
    UrlSafe,
    /// The SDKs'.
    Standard,
}

/// `broadcast_channel`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BroadcastChannelForm {
    /// `{"name", "consumer"}`, the specification's.
    #[default]
    Object,
    /// A channel ID, the SDKs'.
    Id,
}

/// `[instances.NAME.credentials]`
#[derive(Clone, Debug)]
pub enum Credentials {
    /// A screen or another device.
    Device {
        /// The device's uuid; may be missing where pairing is allowed.
        uuid: Option<String>,
        /// The device's secret; may be missing where pairing is allowed.
        secret: Option<Secret>,
        /// Whether to log in in pairing mode where the credentials are missing or refused.
        allow_pairing: bool,
    },
    /// A person.
    User {
        /// The user's name.
        username: String,
        /// The user's password.
        password: Secret,
        /// The organization to log in to.
        organization: String,
    },
    /// A consumer app.
    ConsumerApp {
        /// The app's uuid.
        uuid: String,
        /// The app's API key.
        api_key: Secret,
    },
}
