//! Signals that end a command which would run forever: Ctrl-C and SIGTERM.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::failure::Failure;

/// SIGINT and SIGTERM. Once this exists, they no longer kill the process.
pub(super) struct StopSignal {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignal {
    /// Takes over the signals.
    pub(super) fn new() -> Result<Self, Failure> {
        let handler = |kind| {
            signal(kind).map_err(|source| Failure::System {
                what: "handle the signals that end a program",
                source,
            })
        };
        Ok(Self {
            interrupt: handler(SignalKind::interrupt())?,
            terminate: handler(SignalKind::terminate())?,
        })
    }

    /// Waits for one of them.
    pub(super) async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
