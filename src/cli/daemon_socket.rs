//! The daemon's socket, as the command line and the environment name it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use super::failure::Failure;
use super::output::{self, DIM, styled};
use crate::config::{Source, named_socket};
use expd_client::socket_path::SYSTEM_SOCKET;
use expd_client::{Client, ClientError, SocketEnvironment, SocketPath};

/// Pauses between two tries to reach a daemon that is not there yet.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The socket that a command asks the daemon on, and how much it tells of that.
#[derive(Clone, Debug, Default)]
pub(super) struct DaemonSocket {
    /// `--socket`; the default path where not given.
    pub(super) path: Option<PathBuf>,
    /// True to name the socket on standard error.
    pub(super) verbose: bool,
}

impl DaemonSocket {
    /// The path that is meant.
    pub(super) fn path(&self) -> PathBuf {
        match &self.path {
            Some(path) => path.clone(),
            None => SocketPath::default_in(&SocketEnvironment::from_process()).path,
        }
    }

    /// The socket of the settings, where nothing else names one.
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

    /// Connects to the daemon, and waits for one that is not there yet. Calls `absent` at each try
    /// that finds none.
    ///
    /// # Errors
    /// Errors that waiting does not mend: this user may not open the socket.
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

    /// Adds to the error of a connection where its path is from, and which other socket may have
    /// been meant.
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

/// The socket of the settings, where it is another one.
fn configured(path: &Path) -> Option<PathBuf> {
    let socket = named_socket(&Source::from_process(None));
    socket.filter(|socket| socket != path)
}
