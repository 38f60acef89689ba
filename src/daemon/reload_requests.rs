//! Requests to reload the settings: SIGHUP, and `Daemon.Reload`, which waits for the outcome.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::rpc::{ReloadAnswer, ReloadCall, ReloadCalls, ReloadHandle, reloads};

/// Reload requests to this process.
pub(super) struct ReloadRequests {
    /// SIGHUP.
    pub(super) signal: Signal,
    handle: ReloadHandle,
    calls: ReloadCalls,
}

pub(super) enum ReloadRequest {
    /// SIGHUP; no caller waits for the outcome.
    Signal,
    Call(ReloadCall),
}

impl ReloadRequests {
    /// Catches SIGHUP; from then on none is lost, and none ends the process.
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

    /// Handle for the service that takes the calls.
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
    /// Sends the outcome to a waiting caller.
    pub(super) fn answer(self, answer: ReloadAnswer) {
        if let Self::Call(call) = self {
            call.answer(answer);
        }
    }
}
