//! Shared state of one running server.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::content_files::ContentFiles;
use super::content_tree::ContentTree;
use super::counters::Counters;
use super::data_store::DataStore;
use super::directory::{DeviceOrigin, Directory};
use super::disk::Disk;
use super::error::ApiError;
use super::keys::Keys;
use super::password_checks::PasswordChecks;
use super::pending::PendingBroadcasts;
use super::refreshed_logins::RefreshedLogins;
use super::resource_store::{Collection, ResourceStore};
use super::session_slots::{SessionOwner, SessionSlots};
use super::settings::HubSettings;
use super::socket_registry::SocketRegistry;
use super::store::{Store, Table};
use super::tokens::Tokens;
use super::turns::Turns;
use expd_domain::{Channel, ChannelId, Secret};
use expd_server::admission::{Admission, MAX_CONNECTIONS};
use expd_server::body_memory::BodyMemory;
use expd_server::engine::EngineSessions;
use expd_server::hosts::Hosts;
use expd_server::messages::decode_channel;
use expd_server::socket_memory::SocketMemory;

/// One running server. Each part has its own lock; locks are taken in the order data or resources,
/// sockets, engine sessions, and none is held across an await.
pub(super) struct HubState {
    pub organization: String,
    pub operator_key: Secret,
    pub hosts: Hosts,
    pub directory: Directory,
    pub tokens: Tokens,
    pub refreshed_logins: RefreshedLogins,
    /// URL by which clients reach the server, if it differs from the requested address.
    pub url: Option<String>,
    pub sockets: SocketRegistry,
    pub pending: PendingBroadcasts,
    pub resources: ResourceStore,
    pub data: DataStore,
    pub content: ContentTree,
    pub content_files: ContentFiles,
    pub turns: Turns,
    pub store: Store,
    pub admission: Arc<Admission>,
    pub sessions: EngineSessions<SessionOwner>,
    pub session_slots: Arc<SessionSlots>,
    pub socket_memory: Arc<SocketMemory>,
    pub counters: Counters,
    pub body_memory: BodyMemory,
    pub password_checks: PasswordChecks,
    /// Cancelled when the server stops; waiting requests then give up.
    pub stopping: CancellationToken,
    /// Tasks of sockets; each ends with its socket or with `stopping`.
    pub tasks: TaskTracker,
    pub ping_interval: Duration,
    pub ping_timeout: Duration,
}

impl HubState {
    /// State for these settings, based on what was read from disk.
    pub(super) fn new(settings: &HubSettings, disk: Disk) -> Self {
        let Disk {
            store,
            mut contents,
            content,
            content_files,
        } = disk;
        let keys = Keys::load(settings);
        let tokens = Tokens::new(keys.token, settings.token_ttl);
        let resources = ResourceStore::new(store.clone(), contents.take(Table::Resources));
        let data = DataStore::new(store.clone(), contents.take(Table::Data));
        let directory = Directory::new(settings, tokens.clone(), store.clone(), &mut contents);
        for (uuid, origin) in directory.devices() {
            let has_document = resources.lock().get(Collection::Devices, &uuid).is_some();
            if has_document {
                continue;
            }
            if origin == DeviceOrigin::Resource {
                // The process was killed while the device was created or deleted.
                directory.forget_device(&uuid);
            } else {
                resources.add_device(&uuid);
            }
        }
        Self {
            organization: settings.organization.clone(),
            operator_key: keys.operator,
            hosts: Hosts::new(settings.listen, &settings.hosts, settings.url.as_deref()),
            directory,
            tokens,
            refreshed_logins: RefreshedLogins::default(),
            url: settings.url.clone(),
            sockets: SocketRegistry::default(),
            pending: PendingBroadcasts::default(),
            resources,
            data,
            content,
            content_files,
            turns: Turns::default(),
            store,
            admission: Admission::new(MAX_CONNECTIONS),
            sessions: EngineSessions::default(),
            session_slots: Arc::default(),
            socket_memory: Arc::default(),
            counters: Counters::default(),
            body_memory: BodyMemory::default(),
            password_checks: PasswordChecks::default(),
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
            ping_interval: settings.ping_interval,
            ping_timeout: settings.ping_timeout,
        }
    }

    /// Decodes a channel ID of this organization.
    pub(super) fn decode_channel(&self, id: &ChannelId) -> Result<Channel, ApiError> {
        decode_channel(&self.organization, id)
    }
}
