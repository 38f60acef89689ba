//! The service manager's protocol: notifications to it (`NOTIFY_SOCKET`), and the sockets and the
//! watchdog that it passes on (`LISTEN_FDS`, `WATCHDOG_USEC`).
//!
//! Without a service manager all of it does nothing. A notification that fails is logged once and
//! changes nothing else: the daemon's work comes first.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use listenfd::ListenFd;
use sd_notify::NotifyState;

/// Maximum number of passed sockets. No unit of expd passes as many; a larger number is a mistake.
const MAX_SOCKETS: usize = 64;

/// Sender of notifications to the service manager.
#[derive(Debug)]
pub struct Notifier {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
    failed: AtomicBool,
}

impl Notifier {
    /// The notifier of this process. It does nothing if there is no service manager.
    pub fn from_process() -> Self {
        let watchdog = watchdog_interval(
            std::env::var("WATCHDOG_USEC").ok().as_deref(),
            std::env::var("WATCHDOG_PID").ok().as_deref(),
            std::process::id(),
        );
        Self::to(std::env::var_os("NOTIFY_SOCKET"), watchdog)
    }

    /// A notifier for `address`: a path, or an `@` and a name in the abstract namespace.
    pub fn to(address: Option<OsString>, watchdog: Option<Duration>) -> Self {
        let socket =
            address
                .filter(|address| !address.is_empty())
                .and_then(|address| match connect(&address) {
                    Ok(socket) => Some(socket),
                    Err(error) => {
                        log::warn!("cannot reach the service manager at NOTIFY_SOCKET: {error}");
                        None
                    }
                });
        Self {
            // Without a socket there is no watchdog to notify.
            watchdog: watchdog.filter(|_| socket.is_some()),
            socket,
            failed: AtomicBool::new(false),
        }
    }

    /// Reports that the daemon is ready, at its start or after a reload.
    pub fn ready(&self, status: &str) {
        self.send(&[NotifyState::Ready, NotifyState::Status(&one_line(status))]);
    }

    /// Sets the status that `systemctl status` shows.
    pub fn status(&self, text: &str) {
        self.send(&[NotifyState::Status(&one_line(text))]);
    }

    /// Reports the start of a reload; [`Notifier::ready`] reports its end.
    pub fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.send(&[NotifyState::Reloading, now]),
            Err(_) => self.send(&[NotifyState::Reloading]),
        }
    }

    /// Reports that the daemon is draining and about to exit.
    pub fn stopping(&self) {
        self.send(&[
            NotifyState::Stopping,
            NotifyState::Status("draining and closing"),
        ]);
    }

    /// Asks for more time to stop, and says why it is needed.
    pub fn extend_timeout(&self, by: Duration, status: &str) {
        let micros = u32::try_from(by.as_micros()).unwrap_or(u32::MAX);
        let extend = NotifyState::ExtendTimeoutUsec(micros);
        self.send(&[extend, NotifyState::Status(&one_line(status))]);
    }

    /// True if there is a service manager.
    pub fn is_connected(&self) -> bool {
        self.socket.is_some()
    }

    /// Interval at which to call [`Notifier::watchdog`]: half of the time after which the service
    /// manager kills a silent daemon.
    pub fn watchdog_interval(&self) -> Option<Duration> {
        self.watchdog.map(|limit| limit / 2)
    }

    /// Reports that the daemon is alive.
    pub fn watchdog(&self) {
        self.send(&[NotifyState::Watchdog]);
    }

    fn send(&self, states: &[NotifyState<'_>]) {
        let Some(socket) = &self.socket else {
            return;
        };
        let mut message = Vec::new();
        let sent = states
            .iter()
            .try_for_each(|state| writeln!(message, "{state}"))
            .and_then(|()| socket.send(&message));
        match sent {
            Ok(_) => self.failed.store(false, Ordering::Relaxed),
            Err(error) => {
                if !self.failed.swap(true, Ordering::Relaxed) {
                    log::warn!("cannot notify the service manager: {error}");
                }
            }
        }
    }
}

fn connect(address: &OsStr) -> io::Result<UnixDatagram> {
    let address = match address.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(address)?,
    };
    let socket = UnixDatagram::unbound()?;
    // A service manager that does not read must not block the daemon.
    socket.set_nonblocking(true)?;
    socket.connect_addr(&address)?;
    Ok(socket)
}

/// Joins the lines of a status: a second line would be another message.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// The watchdog's timeout, if it is meant for this process.
fn watchdog_interval(usec: Option<&str>, pid: Option<&str>, own: u32) -> Option<Duration> {
    if pid.is_some_and(|pid| pid.parse() != Ok(own)) {
        return None;
    }
    let limit = Duration::from_micros(usec?.parse().ok()?);
    (!limit.is_zero()).then_some(limit)
}

/// A socket that the service manager passed.
#[derive(Debug)]
pub struct PassedSocket {
    /// `FileDescriptorName=` of its unit.
    pub name: String,
    /// The listening socket.
    pub listener: UnixListener,
}

/// Takes the sockets that the service manager passed to this process, if any.
///
/// Call it once, at the start of `main`, before any other thread runs: it removes `LISTEN_FDS` and
/// `LISTEN_PID` from the environment, so that no child process mistakes them for its own.
///
/// # Errors
/// One of them is not a listening Unix stream socket.
pub fn listen_fds() -> Result<Vec<PassedSocket>, PassedSocketError> {
    // Stricter than the library, which accepts a missing LISTEN_PID.
    let ours = std::env::var("LISTEN_PID").is_ok_and(|pid| pid.parse() == Ok(std::process::id()));
    if !ours {
        return Ok(Vec::new());
    }
    let count = std::env::var("LISTEN_FDS").unwrap_or_default();
    if count
        .parse::<usize>()
        .map_or(true, |count| count > MAX_SOCKETS)
    {
        return Err(PassedSocketError::Count { count });
    }
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':').map(str::to_owned);
    let mut passed = ListenFd::from_env();
    let mut sockets = Vec::new();
    for index in 0..passed.len() {
        let name = names
            .next()
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| "unknown".to_owned());
        let not_ours = |source| PassedSocketError::NotAUnixSocket {
            name: name.clone(),
            source,
        };
        let Some(listener) = passed.take_unix_listener(index).map_err(not_ours)? else {
            continue;
        };
        match rustix::net::sockopt::socket_acceptconn(&listener) {
            Ok(true) => sockets.push(PassedSocket { name, listener }),
            Ok(false) => return Err(PassedSocketError::NotListening { name }),
            Err(error) => return Err(not_ours(error.into())),
        }
    }
    Ok(sockets)
}

/// Reason why a passed socket cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PassedSocketError {
    /// `LISTEN_FDS` is invalid.
    #[error(
        "LISTEN_FDS is {count:?}, not a number up to {MAX_SOCKETS}; start expd from a socket unit or without LISTEN_FDS"
    )]
    Count { count: String },
    /// The descriptor is not a Unix stream socket.
    #[error(
        "the socket {name:?} passed by the service manager is not a Unix stream socket ({source}); use ListenStream= with a path"
    )]
    NotAUnixSocket { name: String, source: io::Error },
    /// The socket is a connection rather than a listener.
    #[error(
        "the socket {name:?} passed by the service manager is not listening; use ListenStream= with Accept=no"
    )]
    NotListening { name: String },
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::process::Command;

    use super::*;

    struct Manager {
        _folder: tempfile::TempDir,
        socket: UnixDatagram,
        notifier: Notifier,
    }

    impl Manager {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("notify");
            let socket = UnixDatagram::bind(&path).unwrap();
            socket
                .set_read_timeout(Some(Duration::from_secs(5)))
                .unwrap();
            let notifier = Notifier::to(Some(path.into()), Some(Duration::from_secs(30)));
            Self {
                _folder: folder,
                socket,
                notifier,
            }
        }

        fn heard(&self) -> String {
            let mut bytes = [0; 1024];
            let length = self.socket.recv(&mut bytes).unwrap();
            String::from_utf8(bytes[..length].to_vec()).unwrap()
        }
    }

    #[test]
    fn the_service_manager_hears_each_state() {
        let manager = Manager::new();
        manager.notifier.ready("serving\non two lines");
        assert_eq!(manager.heard(), "READY=1\nSTATUS=serving on two lines\n");
        manager.notifier.status("online");
        assert_eq!(manager.heard(), "STATUS=online\n");
        manager.notifier.reloading();
        let reloading = manager.heard();
        let stamp = reloading
            .strip_prefix("RELOADING=1\nMONOTONIC_USEC=")
            .unwrap();
        assert!(stamp.trim_end().parse::<u64>().unwrap() > 0);
        manager.notifier.watchdog();
        assert_eq!(manager.heard(), "WATCHDOG=1\n");
        manager.notifier.stopping();
        assert_eq!(manager.heard(), "STOPPING=1\nSTATUS=draining and closing\n");
        assert_eq!(
            manager.notifier.watchdog_interval(),
            Some(Duration::from_secs(15))
        );
    }

    #[test]
    fn an_abstract_address_is_spoken_to_as_well() {
        let name = format!("expd-test-{}", uuid::Uuid::new_v4());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        Notifier::to(Some(format!("@{name}").into()), None).status("x");
        let mut bytes = [0; 64];
        let length = socket.recv(&mut bytes).unwrap();
        assert_eq!(&bytes[..length], b"STATUS=x\n");
    }

    #[test]
    fn without_a_service_manager_it_is_silent() {
        for address in [None, Some("".into()), Some("/no/such/socket".into())] {
            let notifier = Notifier::to(address, Some(Duration::from_secs(1)));
            notifier.ready("x");
            assert_eq!(notifier.watchdog_interval(), None);
        }
    }

    #[test]
    fn a_full_queue_at_the_service_manager_does_not_block() {
        let manager = Manager::new();
        for _ in 0..10_000 {
            manager.notifier.watchdog();
        }
        assert!(manager.notifier.failed.load(Ordering::Relaxed));
    }

    #[test]
    fn the_watchdog_is_meant_for_one_process() {
        let second = Some(Duration::from_secs(1));
        assert_eq!(watchdog_interval(Some("1000000"), None, 7), second);
        assert_eq!(watchdog_interval(Some("1000000"), Some("7"), 7), second);
        assert_eq!(watchdog_interval(Some("1000000"), Some("8"), 7), None);
        assert_eq!(watchdog_interval(Some("0"), None, 7), None);
        assert_eq!(watchdog_interval(Some("x"), None, 7), None);
        assert_eq!(watchdog_interval(None, None, 7), None);
    }

    /// The output of a process that was passed a descriptor. A process has one environment, so this
    /// takes a process of its own.
    fn taken(descriptor: impl Into<OwnedFd>, names: &str) -> String {
        const PLAY: &str = "systemd::tests::played_with_a_passed_socket";
        let output = Command::new("sh")
            .args([
                "-c",
                r#"exec 3<&0 </dev/null; export LISTEN_PID=$$; exec "$@""#,
                "sh",
            ])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", PLAY, "--ignored", "--nocapture"])
            .env("LISTEN_FDS", "1")
            .env("LISTEN_FDNAMES", names)
            .stdin(descriptor.into())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = text
            .split("taken: ")
            .nth(1)
            .unwrap_or_else(|| panic!("{text}"));
        said.lines().next().unwrap().to_owned()
    }

    #[test]
    #[ignore = "played by passed_sockets_are_taken_if_they_listen, in a process of its own"]
    fn played_with_a_passed_socket() {
        match listen_fds() {
            Ok(sockets) => {
                let names: Vec<_> = sockets.iter().map(|socket| socket.name.as_str()).collect();
                let again = listen_fds().unwrap().len();
                println!("taken: {names:?} and {again} later");
            }
            Err(error) => println!("taken: {error}"),
        }
    }

    #[test]
    fn passed_sockets_are_taken_if_they_listen() {
        let folder = tempfile::tempdir().unwrap();
        let listener = |name: &str| UnixListener::bind(folder.path().join(name)).unwrap();
        assert_eq!(taken(listener("a"), "expd"), "[\"expd\"] and 0 later");
        assert_eq!(taken(listener("b"), ""), "[\"unknown\"] and 0 later");
        let (connected, _other) = UnixStream::pair().unwrap();
        assert!(
            taken(connected, "x").contains("\"x\" passed by the service manager is not listening")
        );
        let datagram = UnixDatagram::unbound().unwrap();
        assert!(taken(datagram, "x").contains("not a Unix stream socket"));
        let file = std::fs::File::open(folder.path()).unwrap();
        assert!(taken(file, "x").contains("not a Unix stream socket"));
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(taken(tcp, "x").contains("not a Unix stream socket"));
        assert!(listen_fds().unwrap().is_empty());
    }
}
