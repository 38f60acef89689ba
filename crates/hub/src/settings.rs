//! Settings of the embedded network, validated.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use expd_domain::Secret;

/// `[hub]`: the embedded network.
#[derive(Clone, Debug)]
pub struct HubSettings {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The only organization.
    pub organization: String,
    /// Lifetime of a token.
    pub token_ttl: Duration,
    /// URL by which clients reach the server, announced to them; if not set, the requested address.
    pub url: Option<String>,
    /// Host names in addition to loopback ones; see [`Hosts`](super::Hosts).
    pub hosts: Vec<String>,
    /// Key that signs tokens; if not set, one is kept in `state_dir`.
    pub token_key: Option<Secret>,
    /// Key that proves the operator; if not set, one is kept in `state_dir`.
    pub operator_key: Option<Secret>,
    /// Folder for generated keys; without it they end with the run.
    pub state_dir: Option<PathBuf>,
    /// Folder whose files are content from the start.
    pub content_dir: Option<PathBuf>,
    /// Maximum size of all uploads together.
    pub content_bytes: u64,
    /// Database file; if not set, nothing outlives the run.
    pub store: Option<PathBuf>,
    /// `[[hub.devices]]`
    pub devices: Vec<HubDevice>,
    /// `[[hub.users]]`
    pub users: Vec<HubUser>,
    /// `[[hub.consumer_apps]]`
    pub consumer_apps: Vec<HubConsumerApp>,
    /// Engine.IO's ping interval.
    pub ping_interval: Duration,
    /// Engine.IO's ping timeout.
    pub ping_timeout: Duration,
}

impl Default for HubSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9000)),
            organization: "demo".to_owned(),
            token_ttl: Duration::from_secs(3600),
            url: None,
            hosts: Vec::new(),
            token_key: None,
            operator_key: None,
            state_dir: None,
            content_dir: None,
            content_bytes: 4 << 30,
            store: None,
            devices: Vec::new(),
            users: Vec::new(),
            consumer_apps: Vec::new(),
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
        }
    }
}

/// Device that may log in.
#[derive(Clone, Debug)]
pub struct HubDevice {
    pub uuid: String,
    pub secret: Secret,
}

/// User that may log in.
#[derive(Clone)]
pub struct HubUser {
    pub username: String,
    /// Argon2 hash in PHC form, as `expd hub hash-password` prints it. A plain `password` in the
    /// file is hashed when it is read.
    pub password_hash: String,
    /// Role that the network reports for the user; it grants nothing.
    pub role: String,
}

/// Role of a user whose settings name none.
pub const DEFAULT_ROLE: &str = "owner";

impl fmt::Debug for HubUser {
    // Omits the hash: it is not a secret, but a password may be guessed from it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubUser")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// Consumer app that may log in.
#[derive(Clone, Debug)]
pub struct HubConsumerApp {
    pub uuid: String,
    pub api_key: Secret,
}
