//! `expd serve`: the daemon as a process, with its settings, signals, service manager and sockets.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::banner::Banner;
use super::error::DaemonError;
use super::listeners::{self, Listeners};
use super::notifications::StatusNotifier;
use super::open_files::limit_connections;
use super::options::ServeOptions;
use super::reload::{Reload, ReloadedDaemon};
use super::reload_requests::ReloadRequests;
use super::serve::{ServeParts, serve};
use super::standby::wait_for_settings;
use super::start_attempts::StartAttempts;
use crate::config::{self, ConfigErrors, Loaded, LogFormat, LogLevel, Settings, StateEnvironment};
use crate::coredump;
use crate::ipc::{self, BoundSocket, Listener};
use crate::journal::JournalEvent;
use crate::logging::{self, LoggingError};
use crate::systemd::{self, Notifier, PassedSocketError};
use expd_client::{SocketEnvironment, SocketPath};
use expd_hub::{Hub, HubError};

/// Reason why `expd serve` did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    #[error(transparent)]
    Logging(#[from] LoggingError),
    /// Sockets passed by the service manager.
    #[error(transparent)]
    Passed(#[from] PassedSocketError),
    /// Runtime or signals.
    #[error("cannot start: {0}")]
    Runtime(#[from] io::Error),
    #[error(transparent)]
    Daemon(#[from] DaemonError),
}

/// Reads the settings, opens the log, and runs the daemon until a signal ends it. Must be called
/// while the process has a single thread.
///
/// # Errors
/// The daemon could not start, or a part of it failed.
pub fn run(options: &ServeOptions) -> Result<(), RunError> {
    let core_dumps = coredump::disable();
    let notifier = Arc::new(Notifier::from_process());
    let attempts = StartAttempts::begin(&notifier, ipc::runtime_directory().as_deref());
    let ended = start(options, core_dumps, &notifier, &attempts);
    match &ended {
        Ok(()) => attempts.clear(),
        Err(error) => {
            attempts.failed(&error.to_string());
            notifier.status(&format!("failed: {error}"));
        }
    }
    ended
}

fn start(
    options: &ServeOptions,
    core_dumps: coredump::Outcome,
    notifier: &Arc<Notifier>,
    attempts: &StartAttempts,
) -> Result<(), RunError> {
    let passed = systemd::listen_fds()?;
    let runtime = runtime()?;
    // Before the settings are read, so that a SIGHUP from then on is not lost and does not end the
    // process.
    let mut reloads = runtime.block_on(async { ReloadRequests::new() })?;
    let mut read = match options.read_settings() {
        // At a terminal or in a container, standard error shows the mistakes.
        Err(errors) if !notifier.is_connected() => return Err(errors.into()),
        read => read,
    };
    let settings = read.as_ref().map(|loaded| &loaded.settings.daemon);
    let level = settings.map_or(LogLevel::default(), |daemon| daemon.log);
    let format = settings.map_or(LogFormat::default(), |daemon| daemon.log_format);
    logging::init(
        options.log.unwrap_or(level),
        options.log_format.unwrap_or(format),
    )?;
    core_dumps.log_failure();
    let result = runtime.block_on(async {
        // Settings with a mistake are waited for in any case, below.
        if read.is_ok() && attempts.is_delayed() {
            if !attempts
                .wait(notifier, options.settings_file(), &mut reloads.signal)
                .await?
            {
                return Ok(());
            }
            // They may have been corrected meanwhile.
            read = options.read_settings();
            if let Ok(loaded) = &read {
                logging::set_level(loaded.settings.daemon.log);
            }
        }
        let loaded = match read {
            Ok(loaded) => loaded,
            Err(errors) => {
                let waited =
                    wait_for_settings(options, &passed, notifier, &mut reloads, errors).await?;
                let Some(loaded) = waited else {
                    return Ok(());
                };
                logging::set_level(options.log.unwrap_or(loaded.settings.daemon.log));
                loaded
            }
        };
        for warning in &loaded.warnings {
            log::warn!(event = JournalEvent::SettingsWarning; "{warning}");
        }
        let inherited = passed
            .into_iter()
            .map(|socket| {
                log::debug!("the service manager passed the socket {:?}", socket.name);
                BoundSocket::inherited(socket.listener)
            })
            .collect();
        Box::pin(run_daemon(
            loaded, options, inherited, reloads, notifier, attempts,
        ))
        .await
    });
    // A name lookup in progress must not delay the exit.
    runtime.shutdown_background();
    result
}

/// Creates the daemon's runtime, with a single worker thread. A broadcast crosses several tasks
/// until it is in the socket; more workers only wake each other on the way and contend for locks.
/// With one, a lone delivery at 500/s takes a quarter less CPU and arrives 20 µs sooner, and full
/// speed is no lower: the kernel's part of a delivery runs in the app's process as well. Blocking
/// calls have threads of their own.
///
/// # Errors
/// The system refuses threads or descriptors.
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
    reloads: ReloadRequests,
    notifier: &Arc<Notifier>,
    attempts: &StartAttempts,
) -> Result<(), RunError> {
    let shutdown = CancellationToken::new();
    let mut helpers = JoinSet::new();
    helpers.spawn(end_at_signal(shutdown.clone())?);
    let mut reload = Reload::new(reloads, options, &loaded);
    let mut settings = loaded.settings;
    limit_connections(&mut settings.daemon.limits, options.embedded);

    // Sockets first: a daemon that finds them taken must not have started anything else.
    let environment = SocketEnvironment::from_process();
    let mut listeners = Listeners::default();
    let socket = listen_unix(&settings, options, &environment, inherited, &mut listeners)?;
    if let Some(address) = settings.daemon.listen {
        listeners.add(listeners::tcp(address).await?);
    }
    let state_surroundings = StateEnvironment::from_process();
    let hub = if options.embedded {
        settings.hub.state_dir = config::hub_state_dir(&settings, &state_surroundings);
        let hub = bind_hub(&mut settings, loaded.hub_listen_is_set)
            .await
            .map_err(DaemonError::from)?;
        config::follow(&mut settings, hub.local_addr());
        reload.set_hub(&settings.hub);
        Some(hub)
    } else {
        None
    };
    // Another terminal may have neither this one's EXPD_SOCKET nor its working directory.
    let others = SocketEnvironment {
        expd_socket: None,
        ..environment
    };
    let banner = hub.as_ref().map(|hub| Banner {
        is_default: socket == SocketPath::default_in(&others).path,
        socket: std::path::absolute(&socket).unwrap_or_else(|_| socket.clone()),
        network: config::local_url(hub.local_addr()),
        store: settings.hub.store.clone(),
    });
    let state_dir = config::state_dir(&settings, &state_surroundings);
    let parts = ServeParts {
        settings: &settings,
        state_dir: state_dir.as_deref(),
        listeners,
        hub,
        counters: reload.counters(),
        access: reload.policy(),
        web_apps: reload.web_apps(),
        reload: reload.handle(),
        shutdown: shutdown.clone(),
    };
    let served = serve(parts, |running| {
        log::info!(event = JournalEvent::Started, socket = socket.display().to_string(); "serving on {}", socket.display());
        let status = StatusNotifier {
            socket: socket.clone(),
            notifier: notifier.clone(),
            reload_note: reload.note(),
        };
        let bridges = running.bridges.clone();
        helpers.spawn(status.run(bridges.clone(), shutdown.clone()));
        helpers.spawn(attempts.clone().prove());
        helpers.spawn(reload.run(ReloadedDaemon {
            running,
            socket,
            notifier: notifier.clone(),
            shutdown,
        }));
        if let Some(banner) = banner {
            helpers.spawn(banner.print(bridges));
        }
    })
    .await;
    helpers.shutdown().await;
    log::info!(event = JournalEvent::Stopped; "stopped");
    Ok(served?)
}

/// Listens on the Unix socket, or takes the sockets of the service manager. Returns the path.
fn listen_unix(
    settings: &Settings,
    options: &ServeOptions,
    environment: &SocketEnvironment,
    inherited: Vec<BoundSocket>,
    listeners: &mut Listeners,
) -> Result<PathBuf, RunError> {
    let sockets = if inherited.is_empty() {
        let path = match options.socket.as_ref().or(settings.daemon.socket.as_ref()) {
            Some(path) => SocketPath::named(path),
            None => ipc::default_path(environment, ipc::runtime_directory().as_deref()),
        };
        let daemon = &settings.daemon;
        let bound = ipc::bind(&path, daemon.socket_mode, daemon.socket_group.as_deref());
        vec![bound.map_err(DaemonError::from)?]
    } else {
        inherited
    };
    let mut path = None;
    for socket in sockets {
        path = path.or(socket.path());
        listeners.add(Listener::unix(socket)?);
    }
    Ok(path.unwrap_or_default())
}

/// Binds the embedded network, to any free port if the default one is taken and no address was
/// configured.
async fn bind_hub(settings: &mut Settings, address_is_set: bool) -> Result<Hub, HubError> {
    match Hub::bind(&settings.hub).await {
        Err(HubError::Busy { .. }) if !address_is_set => {
            let mut any_port = settings.hub.clone();
            any_port.listen = SocketAddr::new(any_port.listen.ip(), 0);
            Hub::bind(&any_port).await
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
