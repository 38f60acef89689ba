//! What can be set of the embedded network, already checked.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use expd_domain::Secret;

/// `[hub]`: the embedded network.
#[derive(Clone, Debug)]
pub struct HubSettings {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The one organization that it serves.
    pub organization: String,
    /// How long a token lives.
    pub token_ttl: Duration,
    /// Names by which it may be called besides loopback ones; see [`Hosts`](super::Hosts).
    pub hosts: Vec<String>,
    /// Signs the sessions' tokens; one that is kept in `state_dir` when not set.
    pub token_key: Option<Secret>,
    /// What the operator's commands prove themselves with; one that is kept in `state_dir` when not set.
    pub operator_key: Option<Secret>,
    /// The network's folder, for the keys that are not set; without it they end with the run.
    pub state_dir: Option<PathBuf>,
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
            hosts: Vec::new(),
            token_key: None,
            operator_key: None,
            state_dir: None,
            devices: Vec::new(),
            users: Vec::new(),
            consumer_apps: Vec::new(),
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
        }
    }
}

/// A device that may log in.
#[derive(Clone, Debug)]
pub struct HubDevice {
    /// Its uuid.
    pub uuid: String,
    /// Its secret.
    pub secret: Secret,
}

/// A user that may log in.
#[derive(Clone)]
pub struct HubUser {
    /// The user's name.
    pub username: String,
    /// An Argon2 hash in PHC form (`expd hub hash-password` makes one). A plain `password` in the file is hashed on reading.
    pub password_hash: String,
}

impl fmt::Debug for HubUser {
    // Without the hash: it is no secret, and a password may be guessed from it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubUser")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// A consumer app that may log in.
#[derive(Clone, Debug)]
pub struct HubConsumerApp {
    /// Its uuid.
    pub uuid: String,
    /// Its API key.
    pub api_key: Secret,
}
