//! `expd serve`: the daemon as a process, with its settings, its signals, its service manager and its socket.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::reload::{self, Reload};
use super::welcome::Welcome;
use super::{DaemonError, Doors, doors, serve_under};
use crate::config::{self, ConfigErrors, Loaded, Settings, StateSurroundings};
use crate::coredump;
use crate::ipc::{self, BoundSocket, Listener};
use crate::logging::{self, LoggingError};
use crate::systemd::{self, Notifier, PassedSocketError};
use expd_client::{SocketEnvironment, SocketPath};
use expd_hub::{Hub, HubError};

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
    let kept = coredump::disable();
    let passed = systemd::listen_fds()?;
    let loaded = reload::read(options)?;
    logging::init(loaded.settings.daemon.log)?;
    kept.tell();
    for warning in &loaded.warnings {
        log::warn!("{warning}");
    }
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        let inherited = passed
            .into_iter()
            .map(|socket| BoundSocket::inherited(socket.listener))
            .collect();
        Box::pin(run_daemon(loaded, options, inherited)).await
    });
    // A name look-up that still waits for its answer must not hold the process.
    runtime.shutdown_background();
    result
}

/// What the daemon runs on: one worker. A broadcast goes from task to task until it is in the socket, and where there are more workers each
/// wakes the next one on the way, and they wait for each other's locks. With one, a lone delivery at 500 a second costs a quarter less
/// and comes 20 µs sooner, and full speed is not slower: the kernel's part of a delivery is the app's as well. What waits for the system has
/// threads of its own.
///
/// # Errors
/// When the system refuses threads or descriptors.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .thread_name("expd")
        .build()
}

async fn run_daemon(
    loaded: Loaded,
    options: &ServeOptions,
    inherited: Vec<BoundSocket>,
) -> Result<(), RunError> {
    let shutdown = CancellationToken::new();
    let mut helpers = JoinSet::new();
    helpers.spawn(end_at_signal(shutdown.clone())?);
    let reload = Reload::new(options, &loaded)?;
    let mut settings = loaded.settings;
    let wanted = settings.daemon.limits.max_connections;
    let room = ipc::allow_open_files(wanted);
    if room < wanted {
        log::warn!(
            "the limit of open files leaves room for {room} local connections instead of {wanted} (daemon.limits.max_connections); raise it (LimitNOFILE=)"
        );
    }
    settings.daemon.limits.max_connections = room;

    // The doors come first: whoever finds the socket taken shall not have started anything else.
    let environment = SocketEnvironment::from_process();
    let mut open = Doors::default();
    let path = open_unix(&settings, options, &environment, inherited, &mut open)?;
    if let Some(address) = settings.daemon.listen {
        open.add(doors::tcp(address).await?);
    }
    let surroundings_of_state = StateSurroundings::from_process();
    let hub = if options.embedded {
        settings.hub.state_dir = config::hub_state_dir(&settings, &surroundings_of_state);
        let hub = bind_hub(&mut settings, loaded.hub_listen_is_set)
            .await
            .map_err(DaemonError::from)?;
        config::follow(&mut settings, hub.local_addr());
        Some(hub)
    } else {
        None
    };
    let state_dir = config::state_dir(&settings, &surroundings_of_state);
    let notifier = Arc::new(Notifier::from_process());
    let access = reload.policy();
    let (started, bridges) = watch::channel(None);
    helpers.spawn(reload.run(
        bridges.clone(),
        path.clone(),
        notifier.clone(),
        shutdown.clone(),
    ));
    let welcome = Welcome {
        usual: path == SocketPath::default_in(&environment).path,
        socket: path,
        network: hub
            .as_ref()
            .map(|hub| format!("http://{}", hub.local_addr())),
        notifier,
    };
    helpers.spawn(welcome.tell(bridges, shutdown.clone()));
    let served = serve_under(
        &settings,
        state_dir.as_deref(),
        open,
        hub,
        access,
        shutdown,
        |bridges| {
            started.send_replace(Some(bridges.clone()));
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
    environment: &SocketEnvironment,
    inherited: Vec<BoundSocket>,
    doors: &mut Doors,
) -> Result<PathBuf, RunError> {
    let sockets = if inherited.is_empty() {
        let place = match options.socket.as_ref().or(settings.daemon.socket.as_ref()) {
            Some(path) => SocketPath::named(path),
            None => ipc::default_path(environment, ipc::runtime_directory().as_deref()),
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
