//! Logins, and what each has received of its channels.
//!
//! A login outlives its sockets: the SDK opens a new one at each refresh. Its positions in the
//! channels' logs are kept for the logs' age after its last socket ended.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::config::DaemonSettings;
use crate::router::Resume;
use expd_domain::Channel;
use expd_server::error::ApiError;

/// Maximum number of remembered logins of one app.
const MAX_LOGINS: usize = 256;

/// A command to the task of a page.
pub(super) enum PageCommand {
    /// Write nothing more, and answer once the client has received what was written.
    Hold(oneshot::Sender<()>),
    /// Another socket of this login has taken over.
    Replaced,
}

/// All remembered logins, by their ID.
pub(super) struct Logins {
    /// Never locked across an await.
    records: Mutex<HashMap<String, Arc<Login>>>,
    /// Contains the logs' age.
    settings: watch::Receiver<Arc<DaemonSettings>>,
}

pub(super) struct Login {
    pub app: String,
    inner: Mutex<Inner>,
}

struct Inner {
    /// Positions up to which the client has received events, by channel; as many as a socket may
    /// subscribe to.
    positions: HashMap<Channel, Resume>,
    /// The socket that may write them, counted from 1, and its task.
    socket: u64,
    page: Option<mpsc::Sender<PageCommand>>,
    /// The next handshake is refused, so that the SDK says `offline`.
    refuse_next: bool,
    /// A handshake was refused since the last socket ended.
    refused: bool,
    used: Instant,
}

/// A socket that a login has opened.
pub(super) struct Begun {
    pub socket: u64,
    /// The SDK has said `offline` since the last socket ended, and says `online` for this one.
    pub was_offline: bool,
}

impl Logins {
    /// Remembers each login for the logs' age after its last socket.
    pub fn new(settings: watch::Receiver<Arc<DaemonSettings>>) -> Self {
        Self {
            records: Mutex::default(),
            settings,
        }
    }

    /// Records a new login.
    pub fn add(&self, id: &str, app: &str) -> Arc<Login> {
        let mut records = self.lock();
        let login = Arc::new(Login {
            app: app.to_owned(),
            inner: Mutex::new(Inner {
                positions: HashMap::new(),
                socket: 0,
                page: None,
                refuse_next: false,
                refused: false,
                used: Instant::now(),
            }),
        });
        let of_app = records.iter().filter(|(_, login)| login.app == app);
        if of_app.clone().count() >= MAX_LOGINS {
            // The login without a socket for the longest time is dropped; its next handshake is
            // refused once, as for any unknown login.
            let idle = of_app.filter(|(_, login)| !login.has_socket());
            let oldest = idle.min_by_key(|(_, login)| login.lock().used);
            if let Some(oldest) = oldest.map(|(id, _)| id.clone()) {
                records.remove(&oldest);
            }
        }
        records.insert(id.to_owned(), login.clone());
        login
    }

    pub fn get(&self, id: &str) -> Option<Arc<Login>> {
        self.lock().get(id).cloned()
    }

    /// Forgets logins that have been without a socket for too long.
    pub fn sweep(&self) {
        let memory = self.settings.borrow().limits.log_age;
        self.lock()
            .retain(|_, login| login.has_socket() || login.lock().used.elapsed() <= memory);
    }

    /// Records that a handshake of a login is refused.
    pub fn refused(&self, id: &str, app: &str) {
        let login = self.get(id).unwrap_or_else(|| self.add(id, app));
        let mut inner = login.lock();
        inner.refused = true;
        inner.refuse_next = false;
        inner.used = Instant::now();
    }

    /// The login of a handshake.
    ///
    /// # Errors
    /// The handshake must be refused once: what the client has missed cannot be delivered.
    pub fn admit(&self, id: &str, app: &str) -> Result<Arc<Login>, ApiError> {
        let known = self.get(id).filter(|login| !login.lock().refuse_next);
        known.ok_or_else(|| {
            self.refused(id, app);
            ApiError::busy(
                "network.socket.missed",
                "this login may have missed broadcasts; its next handshake is accepted",
            )
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Login>>> {
        // Consistent after each statement.
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Login {
    /// Begins a socket, which takes over from the one before.
    pub fn begin(&self, page: mpsc::Sender<PageCommand>) -> Begun {
        let mut inner = self.lock();
        inner.socket += 1;
        inner.used = Instant::now();
        if let Some(before) = inner.page.replace(page) {
            // Its mailbox is full only while it ends.
            before.try_send(PageCommand::Replaced).ok();
        }
        Begun {
            socket: inner.socket,
            was_offline: std::mem::take(&mut inner.refused),
        }
    }

    /// Records that a socket's client has missed events: its next handshake is refused once.
    pub fn miss(&self, socket: u64) {
        let mut inner = self.lock();
        if inner.socket == socket {
            inner.refuse_next = true;
        }
    }

    pub fn end(&self, socket: u64) {
        let mut inner = self.lock();
        if inner.socket == socket {
            inner.page = None;
            inner.used = Instant::now();
        }
    }

    /// Position up to which the client has received a channel.
    pub fn position(&self, channel: &Channel) -> Option<Resume> {
        self.lock().positions.get(channel).cloned()
    }

    /// Records the events that the client has received, if this is still the login's socket.
    pub fn received(&self, socket: u64, positions: impl Iterator<Item = (Channel, Resume)>) {
        let mut inner = self.lock();
        if inner.socket == socket {
            inner.positions.extend(positions);
        }
    }

    /// Stops its socket's output, and waits until the client has received what was written, or for
    /// `most`.
    pub async fn hold(&self, most: Duration) {
        let Some(page) = self.lock().page.clone() else {
            return;
        };
        let (done, held) = oneshot::channel();
        if page.try_send(PageCommand::Hold(done)).is_ok() {
            // An error means that the socket has ended.
            tokio::time::timeout(most, held).await.ok();
        }
    }

    fn has_socket(&self) -> bool {
        self.lock()
            .page
            .as_ref()
            .is_some_and(|page| !page.is_closed())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Consistent after each statement.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
