//! Shared state of one running server.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::admission::Admission;
use super::body_memory::BodyMemory;
use super::counters::Counters;
use super::data_store::DataStore;
use super::directory::Directory;
use super::engine_sessions::EngineSessions;
use super::error::{ApiError, HubError};
use super::hosts::Hosts;
use super::keys::Keys;
use super::password;
use super::password_checks::PasswordChecks;
use super::pending::PendingBroadcasts;
use super::refreshed_logins::RefreshedLogins;
use super::resource_store::ResourceStore;
use super::settings::HubSettings;
use super::socket_memory::SocketMemory;
use super::socket_registry::SocketRegistry;
use super::tokens::Tokens;
use expd_domain::{Channel, ChannelId, Secret};

/// One running server. Each part has its own lock; locks are taken in the order data or resources,
/// sockets, engine sessions, and none is held across an await.
pub(super) struct HubState {
    pub organization: String,
    pub operator_key: Secret,
    pub hosts: Hosts,
    pub directory: Directory,
    pub tokens: Tokens,
    pub refreshed_logins: RefreshedLogins,
    /// URL by which clients reach the server, where it is not the address that they ask.
    pub url: Option<String>,
    pub sockets: SocketRegistry,
    pub pending: PendingBroadcasts,
    pub resources: ResourceStore,
    pub data: DataStore,
    pub admission: Arc<Admission>,
    pub engine_sessions: Arc<EngineSessions>,
    pub socket_memory: Arc<SocketMemory>,
    pub counters: Counters,
    pub body_memory: BodyMemory,
    pub password_checks: PasswordChecks,
    /// Cancelled when the server stops; requests that wait for something give up then.
    pub stopping: CancellationToken,
    /// Tasks of sockets; each ends with its socket or with `stopping`.
    pub tasks: TaskTracker,
    pub ping_interval: Duration,
    pub ping_timeout: Duration,
}

impl HubState {
    pub(super) fn new(settings: &HubSettings) -> Result<Self, HubError> {
        for user in &settings.users {
            password::check_password_hash(&user.password_hash).map_err(|error| {
                HubError::PasswordHash {
                    username: user.username.clone(),
                    reason: error.to_string(),
                }
            })?;
        }
        let resources = ResourceStore::default();
        for device in &settings.devices {
            resources.add_device(&device.uuid);
        }
        let keys = Keys::load(settings);
        let tokens = Tokens::new(keys.token, settings.token_ttl);
        Ok(Self {
            organization: settings.organization.clone(),
            operator_key: keys.operator,
            hosts: Hosts::new(settings.listen, &settings.hosts, settings.url.as_deref()),
            directory: Directory::new(settings, tokens.clone()),
            tokens,
            refreshed_logins: RefreshedLogins::default(),
            url: settings.url.clone(),
            sockets: SocketRegistry::default(),
            pending: PendingBroadcasts::default(),
            resources,
            data: DataStore::default(),
            admission: Admission::new(),
            engine_sessions: EngineSessions::new(settings.ping_interval, settings.ping_timeout),
            socket_memory: Arc::default(),
            counters: Counters::default(),
            body_memory: BodyMemory::default(),
            password_checks: PasswordChecks::default(),
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
            ping_interval: settings.ping_interval,
            ping_timeout: settings.ping_timeout,
        })
    }

    /// Decodes a channel ID of this organization.
    pub(super) fn decode_channel(&self, id: &ChannelId) -> Result<Channel, ApiError> {
        let (organization, channel) = id.decode()?;
        if organization != self.organization {
            return Err(ApiError::forbidden(
                "network.channel.foreign",
                "this channel ID belongs to another organization; make it with the organization of the logged-in identity",
            ));
        }
        Ok(channel)
    }
}
