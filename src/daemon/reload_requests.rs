//! Requests to read the settings again: SIGHUP, and `Daemon.Reload`, which waits for the outcome.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::rpc::{ReloadAnswer, ReloadCall, ReloadCalls, ReloadHandle, reloads};

/// The requests of this process.
pub(super) struct ReloadRequests {
    /// SIGHUP.
    pub(super) signal: Signal,
    handle: ReloadHandle,
    calls: ReloadCalls,
}

/// One request.
pub(super) enum ReloadRequest {
    /// A signal, which nobody waits behind.
    Signal,
    /// A call.
    Call(ReloadCall),
}

impl ReloadRequests {
    /// Catches the signal: from then on none is lost, and none ends the process.
    ///
    /// # Errors
    /// It cannot be caught.
    pub(super) fn new() -> io::Result<Self> {
        let (handle, calls) = reloads();
        Ok(Self {
            signal: signal(SignalKind::hangup())?,
            handle,
            calls,
        })
    }

    /// The other end, for those who serve the call.
    pub(super) fn handle(&self) -> ReloadHandle {
        self.handle.clone()
    }

    /// Waits for the next request.
    pub(super) async fn next(&mut self) -> Option<ReloadRequest> {
        tokio::select! {
            signal = self.signal.recv() => signal.map(|()| ReloadRequest::Signal),
            call = self.calls.next() => Some(ReloadRequest::Call(call)),
        }
    }
}

impl ReloadRequest {
    /// Tells whoever waits what came of it.
    pub(super) fn answer(self, answer: ReloadAnswer) {
        if let Self::Call(call) = self {
            call.answer(answer);
        }
    }
}
