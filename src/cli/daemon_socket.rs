//! The daemon's socket, from the command line or the environment.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use super::failure::Failure;
use super::output::{self, DIM, styled};
use crate::config::{Source, named_socket};
use expd_client::socket_path::SYSTEM_SOCKET;
use expd_client::{Client, ClientError, SocketEnvironment, SocketPath};

/// Pauses between attempts to connect to a daemon that is not running yet.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Socket of a command's daemon, and the verbosity of connecting to it.
#[derive(Clone, Debug, Default)]
pub(super) struct DaemonSocket {
    /// `--socket`; none means the default path.
    pub(super) path: Option<PathBuf>,
    /// True to report the connection on standard error.
    pub(super) verbose: bool,
}

impl DaemonSocket {
    /// The path of `--socket`, else the default one.
    pub(super) fn path(&self) -> PathBuf {
        match &self.path {
            Some(path) => path.clone(),
            None => SocketPath::default_in(&SocketEnvironment::from_process()).path,
        }
    }

    /// Takes the socket from the settings unless the command line or the environment names one.
    pub(super) fn or_configured(mut self, file: Option<PathBuf>) -> Self {
        if self.path.is_none() && SocketEnvironment::from_process().expd_socket.is_none() {
            self.path = named_socket(&Source::from_process(file));
        }
        self
    }

    /// Connects to the daemon.
    pub(super) async fn connect(&self) -> Result<Client, Failure> {
        let begun = Instant::now();
        let client = Client::connect(self.path.clone()).await;
        let client = client.map_err(|error| self.unreachable(error))?;
        if self.verbose {
            let socket = client.path().display();
            let took = begun.elapsed().as_micros();
            let line = format!("connected to {socket} ({}) in {took} µs", self.origin());
            output::note(styled(DIM, output::printable(&line)));
        }
        Ok(client)
    }

    /// Connects to the daemon, and waits while there is none. Calls `absent` at each failed
    /// attempt.
    ///
    /// # Errors
    /// Errors that waiting does not resolve: this user may not open the socket.
    pub(super) async fn wait(&self, mut absent: impl FnMut(Failure)) -> Result<Client, Failure> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.connect().await {
                Err(failure) if failure.may_come() => absent(failure),
                connected => return connected,
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The source of the path.
    fn origin(&self) -> &'static str {
        match (&self.path, SocketEnvironment::from_process().expd_socket) {
            (Some(_), _) => "--socket",
            (None, Some(_)) => "EXPD_SOCKET",
            (None, None) => "the default",
        }
    }

    /// Adds the source of the path to a connection error, and another socket that may be the right
    /// one.
    fn unreachable(&self, error: ClientError) -> Failure {
        let ClientError::NotReachable { path, .. } = &error else {
            return error.into();
        };
        let mut hint = format!("the socket is from {}", self.origin());
        if self.origin() == "the default" {
            hint = match (configured(path), path == Path::new(SYSTEM_SOCKET)) {
                (Some(other), _) => format!(
                    "the settings name another one: --socket {}",
                    other.display()
                ),
                (None, true) => "that is the system's default".to_owned(),
                (None, false) => format!(
                    "that is this user's default, since there is no system-wide {SYSTEM_SOCKET}"
                ),
            };
        }
        Failure::NoDaemon { error, hint }
    }
}

/// The socket of the settings, if it is another one.
fn configured(path: &Path) -> Option<PathBuf> {
    let socket = named_socket(&Source::from_process(None));
    socket.filter(|socket| socket != path)
}
