//! Assembly of an instance: session, API client, link, and the bridge to them.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::handle::Bridge;
use super::waiting::OfflineQueue;
use crate::config::InstanceSettings;
use crate::host_network::HostNetwork;
use crate::metrics::Counters;
use crate::router::{InstanceId, RouterHandle, Wanted};
use crate::shares::{Limit, LimitHits, Shares, UserRates};
use crate::upstream::api::ApiClient;
use crate::upstream::link::{Link, LinkParts, LinkTimings};
use crate::upstream::session::{Session, SessionError, SessionTask};
use crate::upstream::transport::SetupError;
use expd_wire::socket::MAX_MESSAGE;

/// Limit of a message on the live socket of a transient instance, in bytes: the user who runs it
/// also chooses its network, and incomplete messages are charged to the instance alone.
const MAX_TRANSIENT_MESSAGE: usize = 1 << 20;

/// Parts of the daemon that all instances share.
#[derive(Clone)]
pub struct SharedParts {
    pub router: RouterHandle,
    /// Queue of the broadcasts that wait for a connection.
    pub waiting: OfflineQueue,
    /// Concurrent calls to EXP, per instance: of all users, and of one where that is set.
    pub max_calls: (usize, Option<usize>),
    /// Rates of what users send.
    pub rates: UserRates,
    /// Changes of the host's network.
    pub network: HostNetwork,
    /// Counter of refusals.
    pub limit_hits: LimitHits,
}

/// An instance to assemble.
pub struct InstanceParts<'a> {
    pub name: &'a str,
    pub settings: InstanceSettings,
    pub instance: InstanceId,
    /// The channels to subscribe to.
    pub wanted: watch::Receiver<Wanted>,
    pub origin: InstanceOrigin<'a>,
    /// Stops the instance.
    pub stop: CancellationToken,
}

/// Origin of an instance.
#[derive(Clone, Copy, Debug)]
pub enum InstanceOrigin<'a> {
    /// The settings. The credentials of a paired device are kept in this folder.
    Settings(Option<&'a Path>),
    /// A program of this user; nothing is stored.
    Program(u32),
}

/// An assembled instance. It works once both tasks run.
pub struct Assembly {
    pub bridge: Arc<Bridge>,
    pub session: SessionTask,
    pub link: Link,
}

/// An instance cannot be started with its settings.
#[derive(Debug, thiserror::Error)]
pub enum AssemblyError {
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    Transport(#[from] SetupError),
}

impl Assembly {
    /// Assembles an instance; nothing runs yet.
    ///
    /// # Errors
    /// As [`AssemblyError`] says.
    pub fn new(shared: &SharedParts, parts: InstanceParts<'_>) -> Result<Self, AssemblyError> {
        let InstanceParts {
            name,
            settings,
            instance,
            wanted,
            origin,
            stop,
        } = parts;
        let counters = Arc::new(Counters::default());
        // Instances of different users may share a name; the log distinguishes them.
        let (user, logged_as) = match origin {
            InstanceOrigin::Settings(_) => (None, name.to_owned()),
            InstanceOrigin::Program(user) => (Some(user), format!("{name}@{user}")),
        };
        let (session, session_task) = match origin {
            InstanceOrigin::Settings(state_dir) => {
                Session::new(&logged_as, &settings, state_dir, counters.clone())?
            }
            InstanceOrigin::Program(_) => {
                Session::unstored(&logged_as, &settings, counters.clone())?
            }
        };
        let api = ApiClient::new(session.clone());
        let (link, link_status) = Link::new(LinkParts {
            name: logged_as,
            instance,
            network: settings.network,
            session: session.clone(),
            router: shared.router.clone(),
            wanted,
            counters: counters.clone(),
            timings: LinkTimings::default(),
            max_message: match origin {
                InstanceOrigin::Settings(_) => MAX_MESSAGE,
                InstanceOrigin::Program(_) => MAX_TRANSIENT_MESSAGE,
            },
            shutdown: stop.clone(),
        });
        let waiting = shared.waiting.ending_with(stop.clone());
        let bridge = Arc::new(Bridge {
            name: name.to_owned(),
            user,
            instance,
            kind: settings.credentials.kind(),
            network: settings.network,
            session,
            api,
            router: shared.router.clone(),
            link: link_status,
            counters,
            calls: Shares::of(
                Limit::Calls,
                shared.max_calls.0,
                shared.max_calls.1,
                &shared.limit_hits,
            ),
            rates: shared.rates.clone(),
            waiting,
            stop,
        });
        Ok(Self {
            bridge,
            session: session_task.with_network(shared.network.clone()),
            link: link.with_network(shared.network.clone()),
        })
    }
}
