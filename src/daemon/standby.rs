//! Standby: a daemon whose settings have a mistake stays up under a service manager.
//!
//! It reports the mistakes in `STATUS=`, in the journal and to every caller. It reads the settings
//! again when the file changes, at a reload, and every few seconds, since a mistake may be about
//! something else. A service that exited instead would sooner or later make systemd fail a waiting
//! socket unit too.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::file_stamp::FileStamp;
use super::options::ServeOptions;
use super::reload_requests::ReloadRequests;
use crate::access::AccessPolicy;
use crate::config::{ConfigErrors, DaemonSettings, Loaded};
use crate::ipc::{self, BoundSocket, Listener};
use crate::journal::JournalEvent;
use crate::moment::BootTime;
use crate::rpc;
use crate::rpc::server::Server;
use crate::shares::LimitHits;
use crate::systemd::{Notifier, PassedSocket};
use expd_client::{SocketEnvironment, SocketPath};

/// Interval of looking for a change of the file.
const LOOK: Duration = Duration::from_secs(1);

/// Interval of reading the settings even if the file is unchanged: a mistake may be about another
/// file, a user or a group.
const READ: Duration = Duration::from_secs(10);

/// Time to finish open calls once the wait is over.
const END: Duration = Duration::from_millis(250);

/// Mode of the default socket, while no settings give another.
const SOCKET_MODE: u32 = 0o660;

/// Waits until the settings have no mistake. `None` if a signal ended the wait.
///
/// # Errors
/// The signals cannot be caught.
pub(super) async fn wait_for_settings(
    options: &ServeOptions,
    passed: &[PassedSocket],
    notifier: &Notifier,
    reloads: &mut ReloadRequests,
    errors: ConfigErrors,
) -> io::Result<Option<Loaded>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mistakes = watch::Sender::new(Arc::new(Vec::new()));
    let stop = CancellationToken::new();
    let policy = watch::Sender::new(Arc::new(AccessPolicy::new(&[])));
    let settings = watch::Sender::new(Arc::new(DaemonSettings::default()));
    let server = Server {
        router: rpc::standby(mistakes.subscribe(), reloads.handle(), BootTime::now()),
        settings: settings.subscribe(),
        access: policy.subscribe(),
        limit_hits: LimitHits::default(),
        gone: Arc::new(|_| {}),
    };
    let mut serving = JoinSet::new();
    serving.spawn(server.serve(listeners(options, passed), stop.clone()));
    notifier.ready(&report(&mistakes, &errors));

    let mut watchdog = interval(notifier.watchdog_interval().unwrap_or(LOOK));
    let mut look = interval(LOOK);
    let file = options.settings_file();
    let mut seen = FileStamp::of(file);
    let mut read_at = Instant::now();
    let read = loop {
        let asked = tokio::select! {
            _ = interrupt.recv() => break None,
            _ = terminate.recv() => break None,
            _ = watchdog.tick() => {
                notifier.watchdog();
                continue;
            }
            request = reloads.next() => request,
            _ = look.tick() => None,
        };
        let now = FileStamp::of(file);
        if asked.is_none() && now == seen && read_at.elapsed() < READ {
            continue;
        }
        (seen, read_at) = (now, Instant::now());
        let options = options.clone();
        // Blocking: reads files and queries the name service.
        let read = tokio::task::spawn_blocking(move || options.read_settings()).await;
        match read.map_err(io::Error::other)? {
            Ok(loaded) => {
                if let Some(asked) = asked {
                    asked.answer(Ok(Vec::new()));
                }
                break Some(loaded);
            }
            Err(errors) => {
                notifier.ready(&report(&mistakes, &errors));
                if let Some(asked) = asked {
                    asked.answer(Err(mistakes.borrow().clone()));
                }
            }
        }
    };
    stop.cancel();
    if timeout(END, serving.join_next()).await.is_err() {
        // Its sockets are closed once its task has ended.
        serving.shutdown().await;
    }
    if read.is_some() {
        log::info!("settings corrected: starting");
    } else {
        notifier.stopping();
        log::info!(event = JournalEvent::Stopped; "stopped");
    }
    Ok(read)
}

/// Logs new mistakes, shows them to callers, and returns the status.
fn report(mistakes: &watch::Sender<Arc<Vec<String>>>, errors: &ConfigErrors) -> String {
    let now: Vec<String> = errors.mistakes().iter().map(ToString::to_string).collect();
    for mistake in now.iter().filter(|it| !mistakes.borrow().contains(it)) {
        log::error!(event = JournalEvent::SettingsRefused; "{mistake}");
    }
    let first = now.first().cloned().unwrap_or_default();
    mistakes.send_replace(Arc::new(now));
    format!("waiting for the settings to be corrected: {first}")
}

/// Sockets of the service manager, else the default one. One that cannot be bound is skipped: the
/// settings may name another.
fn listeners(options: &ServeOptions, passed: &[PassedSocket]) -> Vec<Listener> {
    let bound = if passed.is_empty() {
        let path = if let Some(path) = &options.socket {
            SocketPath::named(path)
        } else {
            let environment = SocketEnvironment::from_process();
            ipc::default_path(&environment, ipc::runtime_directory().as_deref())
        };
        let bound = ipc::bind(&path, SOCKET_MODE, None);
        vec![bound.map_err(|error| error.to_string())]
    } else {
        let passed = passed.iter();
        passed
            .map(|socket| {
                let again = socket.listener.try_clone();
                again
                    .map(BoundSocket::inherited)
                    .map_err(|error| error.to_string())
            })
            .collect()
    };
    let listen = |socket: BoundSocket| Listener::unix(socket).map_err(|error| error.to_string());
    let mut listeners = Vec::new();
    for socket in bound {
        match socket.and_then(listen) {
            Ok(listener) => listeners.push(listener),
            Err(error) => {
                log::warn!(
                    "cannot open the socket to report the mistakes in the settings: {error}"
                );
            }
        }
    }
    listeners
}
