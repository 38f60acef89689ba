//! Shared state of one running server.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::admission::Admission;
use super::body_memory::BodyMemory;
use super::content_files::ContentFiles;
use super::content_seeds;
use super::content_tree::ContentTree;
use super::counters::Counters;
use super::data_store::DataStore;
use super::directory::{Directory, Origin};
use super::engine_sessions::EngineSessions;
use super::error::{ApiError, HubError};
use super::hosts::Hosts;
use super::keys::Keys;
use super::password;
use super::password_checks::PasswordChecks;
use super::pending::PendingBroadcasts;
use super::refreshed_logins::RefreshedLogins;
use super::resource_store::{Collection, ResourceStore};
use super::settings::HubSettings;
use super::socket_memory::SocketMemory;
use super::socket_registry::SocketRegistry;
use super::store::{Contents, Store, Table};
use super::tokens::Tokens;
use super::turns::Turns;
use expd_domain::{Channel, ChannelId, Secret};

/// Ending of the folder of uploads, beside the store.
const UPLOADS: &str = ".files";

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
    pub content: ContentTree,
    pub content_files: ContentFiles,
    pub turns: Turns,
    pub store: Store,
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
        let (store, mut contents) = open_store(settings)?;
        let (content, content_files) = content(settings, &store, &mut contents)?;
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
            if origin == Origin::Resource {
                // The process was killed while it was created or deleted.
                directory.forget_device(&uuid);
            } else {
                resources.add_device(&uuid);
            }
        }
        Ok(Self {
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

/// Opens the database of the settings, if there is one.
fn open_store(settings: &HubSettings) -> Result<(Store, Contents), HubError> {
    let Some(path) = &settings.store else {
        return Ok((Store::default(), Contents::default()));
    };
    Store::open(path).map_err(|source| HubError::Store {
        path: path.clone(),
        source,
    })
}

/// Content of the folder and of the store.
fn content(
    settings: &HubSettings,
    store: &Store,
    contents: &mut Contents,
) -> Result<(ContentTree, ContentFiles), HubError> {
    let folder = settings.content_dir.as_deref();
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| HubError::Content { path, source }
    };
    let content = ContentTree::new(store.clone());
    if let Some(folder) = folder {
        content_seeds::plant(folder, &mut content.lock()).map_err(failed(folder))?;
    }
    content.lock().restore(contents.take(Table::Content));
    let uploads = settings.store.as_ref().map(|store| {
        let mut path = store.clone().into_os_string();
        path.push(UPLOADS);
        PathBuf::from(path)
    });
    let shown = uploads.as_deref().or(folder).unwrap_or(Path::new(""));
    let budget = u64::try_from(settings.content_bytes).unwrap_or(u64::MAX);
    let files = ContentFiles::open(folder, uploads.clone(), budget, store.clone());
    let files = files.map_err(failed(shown))?;
    files
        .settle(content.lock().uploads())
        .map_err(failed(shown))?;
    Ok((content, files))
}
