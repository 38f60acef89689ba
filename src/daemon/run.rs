//! `expd serve`: the daemon as a process, with its settings, its signals, its service manager and its socket.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{DaemonError, Doors, doors, greeting, serve};
use crate::bridge::{Bridge, Bridges};
use crate::config::{self, ConfigErrors, Settings, Source, StateSurroundings};
use crate::hub::{Hub, HubError};
use crate::ipc::{self, BoundSocket, Listener, SocketPlace, SocketSurroundings};
use crate::logging::{self, LoggingError};
use crate::systemd::{self, Notifier, PassedSocketError};
use crate::upstream::link::{LinkState, LinkStatus};

/// How long the greeting waits for the first login, which on the embedded network takes milliseconds.
const FIRST_LOGIN: Duration = Duration::from_secs(3);

/// What the command line says.
#[derive(Clone, Debug, Default)]
pub struct ServeOptions {
    /// The settings file.
    pub config: Option<PathBuf>,
    /// The Unix socket; the settings' or the usual one where not given.
    pub socket: Option<PathBuf>,
    /// Whether to bring an EXP network along.
    pub embedded: bool,
}

/// Why `expd serve` did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The settings.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// The log.
    #[error(transparent)]
    Logging(#[from] LoggingError),
    /// What the service manager passed on.
    #[error(transparent)]
    Passed(#[from] PassedSocketError),
    /// The runtime or the signals.
    #[error("cannot start: {0}")]
    Runtime(#[from] io::Error),
    /// The daemon.
    #[error(transparent)]
    Daemon(#[from] DaemonError),
}

/// Reads the settings, opens the log, and runs the daemon until a signal ends it. To be called from a process with one
/// thread.
///
/// # Errors
/// What kept it from starting, or which part of it failed.
pub fn run(options: &ServeOptions) -> Result<(), RunError> {
    let passed = systemd::listen_fds()?;
    let loaded = config::load(&Source::from_process(options.config.clone()))?
        .for_serving(options.embedded)?;
    logging::init(loaded.settings.daemon.log)?;
    for warning in &loaded.warnings {
        log::warn!("{warning}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("expd")
        .build()?;
    let result = runtime.block_on(async {
        let inherited = passed
            .into_iter()
            .map(|socket| BoundSocket::inherited(socket.listener))
            .collect();
        run_daemon(
            loaded.settings,
            loaded.hub_listen_is_set,
            options,
            inherited,
        )
        .await
    });
    // A name look-up that still waits for its answer must not hold the process.
    runtime.shutdown_background();
    result
}

async fn run_daemon(
    mut settings: Settings,
    hub_listen_is_set: bool,
    options: &ServeOptions,
    inherited: Vec<BoundSocket>,
) -> Result<(), RunError> {
    let shutdown = CancellationToken::new();
    let mut helpers = JoinSet::new();
    helpers.spawn(end_at_signal(shutdown.clone())?);
    settings.daemon.limits.max_connections =
        ipc::allow_open_files(settings.daemon.limits.max_connections);

    // The doors come first: whoever finds the socket taken shall not have started anything else.
    let surroundings = SocketSurroundings::from_process();
    let mut open = Doors::default();
    let path = open_unix(&settings, options, &surroundings, inherited, &mut open)?;
    if let Some(address) = settings.daemon.listen {
        open.add(doors::tcp(address).await?);
    }
    let hub = if options.embedded {
        let hub = bind_hub(&mut settings, hub_listen_is_set)
            .await
            .map_err(DaemonError::from)?;
        config::follow(&mut settings, hub.local_addr());
        Some(hub)
    } else {
        None
    };
    let state_dir = config::state_dir(&settings, &StateSurroundings::from_process());
    let notifier = Arc::new(Notifier::from_process());
    let welcome = Welcome {
        usual: path == SocketPlace::usual(&surroundings).path,
        socket: path,
        network: hub
            .as_ref()
            .map(|hub| format!("http://{}", hub.local_addr())),
        notifier: notifier.clone(),
    };
    let (started, bridges) = oneshot::channel();
    helpers.spawn(welcome.tell(bridges, shutdown.clone()));
    let served = serve(
        &settings,
        state_dir.as_deref(),
        open,
        hub,
        shutdown,
        |bridges| {
            // The teller waits for this; if it is gone, so is the daemon.
            started.send(bridges.clone()).ok();
        },
    )
    .await;
    helpers.shutdown().await;
    log::info!("stopped");
    Ok(served?)
}

/// Opens the Unix socket, or takes what the service manager opened. Returns where it is.
fn open_unix(
    settings: &Settings,
    options: &ServeOptions,
    surroundings: &SocketSurroundings,
    inherited: Vec<BoundSocket>,
    doors: &mut Doors,
) -> Result<PathBuf, RunError> {
    let sockets = if inherited.is_empty() {
        let place = match options.socket.as_ref().or(settings.daemon.socket.as_ref()) {
            Some(path) => SocketPlace::named(path),
            None => SocketPlace::usual_for_daemon(surroundings),
        };
        let daemon = &settings.daemon;
        let bound = ipc::bind(&place, daemon.socket_mode, daemon.socket_group.as_deref());
        vec![bound.map_err(DaemonError::from)?]
    } else {
        inherited
    };
    let mut path = None;
    for socket in sockets {
        path = path.or(socket.path());
        doors.add(Listener::unix(socket)?);
    }
    Ok(path.unwrap_or_default())
}

/// Binds the embedded network. Where no address was chosen and the usual port is taken, any free one will do.
async fn bind_hub(settings: &mut Settings, chosen: bool) -> Result<Hub, HubError> {
    match Hub::bind(&settings.hub).await {
        Err(HubError::Busy { .. }) if !chosen => {
            let mut anywhere = settings.hub.clone();
            anywhere.listen = SocketAddr::new(anywhere.listen.ip(), 0);
            Hub::bind(&anywhere).await
        }
        bound => bound,
    }
}

/// Cancels the token at SIGINT or SIGTERM.
fn end_at_signal(shutdown: CancellationToken) -> io::Result<impl Future<Output = ()> + Send> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        let name = tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
        };
        log::info!("{name}: stopping");
        shutdown.cancel();
    })
}

/// Tells people and the service manager that the daemon serves, and how it goes on.
struct Welcome {
    socket: PathBuf,
    /// Whether clients find the socket without being told.
    usual: bool,
    /// The embedded network's address.
    network: Option<String>,
    notifier: Arc<Notifier>,
}

impl Welcome {
    async fn tell(self, started: oneshot::Receiver<Bridges>, shutdown: CancellationToken) {
        let Ok(bridges) = started.await else {
            // The daemon did not start.
            return;
        };
        log::info!(socket = self.socket.display().to_string(); "serving on {}", self.socket.display());
        self.notifier.ready(&self.summary(&bridges));
        if let Some(network) = &self.network {
            let default = bridges.get("");
            if let Some(bridge) = default {
                let online = async {
                    let mut link = bridge.link.clone();
                    // An error means that the daemon stops again.
                    link.wait_for(|status| status.state == LinkState::Online)
                        .await
                        .map(drop)
                        .ok();
                };
                tokio::time::timeout(FIRST_LOGIN, online).await.ok();
            }
            let identity = default.and_then(|bridge| bridge.identity().ok());
            anstream::eprint!(
                "{}",
                greeting::embedded(&self.socket, self.usual, network, identity.as_ref())
            );
        }
        let mut beat = self.notifier.watchdog_interval().map(tokio::time::interval);
        let mut changes = Changes::of(&bridges);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = changes.next() => self.notifier.status(&self.summary(&bridges)),
                () = tick(beat.as_mut()) => self.notifier.watchdog(),
            }
        }
        self.notifier.stopping();
    }

    /// One line on how every instance stands.
    fn summary(&self, bridges: &Bridges) -> String {
        let states: Vec<String> = bridges.iter().map(|bridge| summary(bridge)).collect();
        format!("{} · {}", Path::display(&self.socket), states.join(" · "))
    }
}

fn summary(bridge: &Bridge) -> String {
    let LinkStatus { state, reason, .. } = &*bridge.link.borrow();
    let state = match state {
        LinkState::Connecting => "connecting",
        LinkState::Online => "online",
        LinkState::Offline => "offline",
        LinkState::Refused => "refused",
        LinkState::Pairing => "waiting to be paired",
    };
    if reason.is_empty() {
        format!("{}: {state}", bridge.name)
    } else {
        format!("{}: {state} ({reason})", bridge.name)
    }
}

/// The next beat, or never where the service manager wants none.
async fn tick(beat: Option<&mut tokio::time::Interval>) {
    match beat {
        Some(beat) => drop(beat.tick().await),
        None => std::future::pending().await,
    }
}

/// Waits for any instance's link to change.
struct Changes(Vec<tokio::sync::watch::Receiver<LinkStatus>>);

impl Changes {
    fn of(bridges: &Bridges) -> Self {
        Self(bridges.iter().map(|bridge| bridge.link.clone()).collect())
    }

    async fn next(&mut self) {
        if self.0.is_empty() {
            std::future::pending::<()>().await;
        }
        let any = self.0.iter_mut().map(|link| Box::pin(link.changed()));
        let (changed, index, _) = futures_util::future::select_all(any).await;
        if changed.is_err() {
            // The link has ended; the daemon will say so.
            self.0.swap_remove(index);
        }
    }
}
