//! The server of the door: bind, serve, stop.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::apps::Apps;
use super::logins::Logins;
use super::routes;
use super::state::{Rates, WebState};
use super::tokens::Tokens;
use crate::access::AccessPolicy;
use crate::bridge::Bridges;
use crate::config::{DaemonSettings, WebApp};
use crate::metrics::DaemonCounters;
use crate::pages::Pages;
use crate::router::Decode;
use crate::shares::{Limit, LimitHits, Shares};
use expd_domain::Secret;
use expd_server::admission::Admission;
use expd_server::body_memory::BodyMemory;
use expd_server::engine::{EngineSessions, Heartbeat, SocketTerms};
use expd_server::keys;
use expd_server::server::{ServerTerms, listen, serve};

/// Maximum number of connections. A page has half a dozen.
const MAX_CONNECTIONS: usize = 2048;

/// Heartbeat of live sockets, as the network's own.
const HEARTBEAT: Heartbeat = Heartbeat {
    interval: Duration::from_secs(25),
    timeout: Duration::from_secs(20),
};

/// Limits of a page's message, which is a list of channels, and of the packets in one body of long
/// polling.
const MAX_MESSAGE: usize = 256 * 1024;
const MAX_PACKETS: usize = 256;

/// File of the key that signs tokens, in the state folder.
const KEY_FILE: &str = "web.key";

/// Time that connections have to end by themselves at shutdown, before they are closed.
const DRAIN: Duration = Duration::from_millis(400);

/// Parts of the daemon that the door uses.
pub struct WebParts {
    /// Folder of the key that signs tokens; without it, they end with the process.
    pub state_dir: Option<PathBuf>,
    /// Folder of pages that the door serves itself.
    pub root: Option<PathBuf>,
    /// The apps, which a reload replaces.
    pub apps: watch::Receiver<Arc<[WebApp]>>,
    /// All identities.
    pub bridges: Bridges,
    /// The access policy, which a reload replaces.
    pub access: watch::Receiver<Arc<AccessPolicy>>,
    /// Limits on what pages can make the daemon hold, which a reload replaces.
    pub settings: watch::Receiver<Arc<DaemonSettings>>,
    /// Refusals because a limit was reached, which name the apps.
    pub limit_hits: LimitHits,
    /// Counters of the daemon as a whole.
    pub counters: Arc<DaemonCounters>,
    /// The open pages, for status and metrics.
    pub pages: Pages,
    /// Decodes the router's records.
    pub decode: Decode,
}

/// The door, bound to its address and not serving yet.
pub struct WebServer {
    listener: TcpListener,
    address: SocketAddr,
}

impl WebServer {
    /// Binds a loopback address.
    ///
    /// # Errors
    /// The system refuses.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = listen(address)?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// The bound address, with the real port where the settings have port 0.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`, then closes every page.
    ///
    /// # Errors
    /// Accepting connections fails for good.
    pub async fn serve(self, parts: WebParts, stop: CancellationToken) -> io::Result<()> {
        let key = read_key(parts.state_dir.clone()).await;
        let limits = parts.settings.borrow().limits.clone();
        let state = Arc::new(WebState {
            port: self.address.port(),
            apps: Apps::new(parts.apps, parts.limit_hits.clone()),
            bridges: parts.bridges,
            access: parts.access,
            counters: parts.counters,
            tokens: Tokens::new(key),
            logins: Logins::new(parts.settings.clone()),
            sessions: EngineSessions::default(),
            socket_terms: Arc::new(SocketTerms {
                heartbeat: HEARTBEAT,
                max_message: MAX_MESSAGE,
                max_packets: MAX_PACKETS,
                memory: None,
                refusal: None,
            }),
            pages: parts.pages,
            decode: parts.decode,
            settings: parts.settings,
            admission: Admission::new(MAX_CONNECTIONS),
            body_memory: BodyMemory::default(),
            answers: Shares::of(
                Limit::CallBytes,
                limits.max_call_bytes,
                limits.user.max_call_bytes,
                &parts.limit_hits,
            ),
            rates: Rates::default(),
            stopping: stop.clone(),
            tasks: TaskTracker::new(),
        });
        let _cut_when_dropped = state.admission.cut.clone().drop_guard();
        let open = TaskTracker::new();
        let terms = ServerTerms {
            admission: state.admission.clone(),
            stopping: stop.clone(),
        };
        let router = routes::build(&state, parts.root.as_deref());
        let sweep = || state.logins.sweep();
        tokio::select! {
            Err(error) = serve(&self.listener, router, &terms, &open, sweep) => return Err(error),
            () = stop.cancelled() => {}
        }
        // From here on, the system refuses new connections.
        drop(self.listener);
        open.close();
        state.tasks.close();
        let drained = async { tokio::join!(open.wait(), state.tasks.wait()) };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            log::debug!(
                "closing {} connections of pages that did not end",
                open.len()
            );
            state.admission.cut.cancel();
        }
        Ok(())
    }
}

/// The key that signs tokens.
async fn read_key(folder: Option<PathBuf>) -> Secret {
    let Some(folder) = folder else {
        log::warn!(
            "no folder for the key of the pages' tokens: pages log in again after a restart; set daemon.state_dir"
        );
        return keys::random();
    };
    let path = folder.join(KEY_FILE);
    let read = tokio::task::spawn_blocking(move || read_or_random(&path));
    // Fails only when the runtime stops.
    read.await.unwrap_or_else(|_| keys::random())
}

fn read_or_random(path: &Path) -> Secret {
    keys::read_or_create(path).unwrap_or_else(|error| {
        log::warn!(
            "cannot store the key of the pages' tokens in {}: {error}; pages log in again after a restart; let the daemon's user write there, or set daemon.state_dir",
            path.display()
        );
        keys::random()
    })
}
