//! `Daemon.Reload`: passes the request to the task that reads the settings, and waits for its
//! answer.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tonic::Status;

use super::error;
use expd_proto as proto;

/// Reloads that are queued behind the one in progress; further callers wait for room.
const WAITING: usize = 8;

/// Asks the daemon to read its settings again.
#[derive(Clone, Debug)]
pub struct ReloadHandle(mpsc::Sender<ReloadCall>);

/// Receives the requested reloads.
#[derive(Debug)]
pub struct ReloadCalls(mpsc::Receiver<ReloadCall>);

/// A requested reload, which waits for its answer.
#[derive(Debug)]
pub struct ReloadCall(oneshot::Sender<ReloadAnswer>);

/// The changed keys that need a restart; or all mistakes, in which case nothing was changed.
pub type ReloadAnswer = Result<Vec<String>, Arc<Vec<String>>>;

/// A handle, and the receiver of its reloads. Once the receiver is dropped, reloads are refused.
#[must_use]
pub fn reloads() -> (ReloadHandle, ReloadCalls) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (ReloadHandle(sender), ReloadCalls(receiver))
}

impl ReloadCalls {
    /// Waits for the next reload; forever if no handle is left.
    pub async fn next(&mut self) -> ReloadCall {
        match self.0.recv().await {
            Some(call) => call,
            None => std::future::pending().await,
        }
    }
}

impl ReloadCall {
    pub fn answer(self, answer: ReloadAnswer) {
        // Fails if the caller has hung up; the reload was done all the same.
        self.0.send(answer).ok();
    }
}

impl ReloadHandle {
    /// Requests a reload, for a caller whose permission was checked.
    pub(super) async fn reload(&self) -> Result<proto::ReloadResponse, Status> {
        let (sender, answer) = oneshot::channel();
        let unserved = || error::unavailable("the daemon is starting or stopping");
        let sent = self.0.send(ReloadCall(sender)).await;
        sent.map_err(|_| unserved())?;
        match answer.await.map_err(|_| unserved())? {
            Ok(needs_restart) => Ok(proto::ReloadResponse { needs_restart }),
            Err(mistakes) => Err(error::failed_precondition(format_args!(
                "the settings stay as they were: {}",
                mistakes.join("\n")
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    #[tokio::test]
    async fn a_reload_is_answered_and_a_daemon_that_takes_none_says_so() {
        let (handle, mut calls) = reloads();
        let answering = async {
            calls.next().await.answer(Ok(vec!["web.root".to_owned()]));
            let mistakes = vec!["one".to_owned(), "two".to_owned()];
            calls.next().await.answer(Err(Arc::new(mistakes)));
            drop(calls.next().await);
        };
        let asking = async {
            assert_eq!(handle.reload().await.unwrap().needs_restart, ["web.root"]);
            let refused = handle.reload().await.unwrap_err();
            assert_eq!(refused.code(), Code::FailedPrecondition);
            assert!(refused.message().ends_with("one\ntwo"), "{refused:?}");
            assert_eq!(handle.reload().await.unwrap_err().code(), Code::Unavailable);
        };
        tokio::join!(answering, asking);
        drop(calls);
        assert_eq!(handle.reload().await.unwrap_err().code(), Code::Unavailable);
    }
}
