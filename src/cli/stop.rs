//! The end of a command that would go on for ever: Ctrl-C or SIGTERM.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Failure;

/// Waits for somebody to end the command. From the moment it is made, those signals no longer kill the process.
pub struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    /// Takes the signals over.
    pub fn new() -> Result<Self, Failure> {
        let taken = |kind| {
            signal(kind).map_err(|source| Failure::System {
                what: "take over the signals that end a program",
                source,
            })
        };
        Ok(Self {
            interrupt: taken(SignalKind::interrupt())?,
            terminate: taken(SignalKind::terminate())?,
        })
    }

    /// Ends when asked to.
    pub async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
