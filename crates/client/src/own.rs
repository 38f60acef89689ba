//! An identity of the program's own, kept running: if its stream breaks, for example at a restart
//! of the daemon, it is started again.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::select;
use rand::RngExt as _;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;
use tonic::Code;

use crate::client::Client;
use crate::error::ClientError;
use crate::run::{RunInstance, RunningInstance};
use crate::status::LinkEvent;

/// Number of link states that a reader of events may fall behind; beyond it, the reader continues
/// with the newest.
const EVENTS: usize = 64;

/// Shortest and longest pause before another start.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// State of the identity in the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Running {
    Yes,
    /// About to be started again.
    NotYet,
    /// Ended for good, with the reason.
    Ended(String),
}

/// A change of the link, or the loss of the daemon with its reason.
#[derive(Clone, Debug)]
pub(crate) enum OwnEvent {
    Link(LinkEvent),
    Lost(String),
}

/// A running identity. It ends on drop.
#[derive(Debug)]
pub(crate) struct OwnIdentity {
    running: watch::Receiver<Running>,
    newest: watch::Receiver<OwnEvent>,
    events: broadcast::Sender<OwnEvent>,
    /// True where it opens a live socket.
    pub(crate) network: bool,
    /// The keeper, which is aborted on drop.
    _task: JoinSet<()>,
}

struct Keeper {
    client: Client,
    run: RunInstance,
    running: watch::Sender<Running>,
    newest: watch::Sender<OwnEvent>,
    events: broadcast::Sender<OwnEvent>,
}

impl OwnIdentity {
    /// Starts the identity; the daemon responds with the first state of its link, and accepts calls
    /// for it from then on.
    pub(crate) async fn start(
        client: &Client,
        run: &RunInstance,
        mut stopped: watch::Receiver<bool>,
    ) -> Result<Self, ClientError> {
        let mut instance = client.run_instance(run).await?;
        let first = instance.next().await.transpose()?;
        let first = first.ok_or_else(|| ClientError::Ended("the daemon ended it".to_owned()))?;
        let (running, is_running) = watch::channel(Running::Yes);
        let (newest, newest_seen) = watch::channel(OwnEvent::Link(first));
        let events = broadcast::Sender::new(EVENTS);
        let keeper = Keeper {
            client: client.clone(),
            run: run.clone(),
            running,
            newest,
            events: events.clone(),
        };
        let mut task = JoinSet::new();
        task.spawn(async move {
            let stop = std::pin::pin!(stopped.wait_for(|stopped| *stopped));
            let keep = std::pin::pin!(keeper.keep(instance));
            select(stop, keep).await;
        });
        Ok(Self {
            running: is_running,
            newest: newest_seen,
            events,
            network: run.network,
            _task: task,
        })
    }

    /// A name unique to this program: the program's name, its process ID and a random part.
    pub(crate) fn make_name() -> String {
        let program = std::env::current_exe().ok();
        let program = program.as_deref().and_then(|path| path.file_stem());
        let program = program.unwrap_or_default().to_string_lossy();
        let letters = program.chars().filter(char::is_ascii_alphanumeric);
        let letters: String = letters.take(32).collect();
        let random = rand::rng().random::<u32>();
        format!("{letters}-{}-{random:08x}", std::process::id())
    }

    /// Waits until the identity runs, or has ended.
    pub(crate) async fn running(&self) {
        let mut running = self.running.clone();
        // The keeper is gone only after the end.
        let there = running.wait_for(|running| *running != Running::NotYet);
        there.await.ok();
    }

    /// Reason of the identity's end, if it has ended.
    pub(crate) fn end(&self) -> Option<String> {
        match &*self.running.borrow() {
            Running::Ended(reason) => Some(reason.clone()),
            Running::Yes | Running::NotYet => None,
        }
    }

    /// The current state of the link, and a receiver of later ones.
    pub(crate) fn events(&self) -> (OwnEvent, broadcast::Receiver<OwnEvent>) {
        let following = self.events.subscribe();
        (self.newest.borrow().clone(), following)
    }

    /// The newest state of the link.
    pub(crate) fn newest(&self) -> OwnEvent {
        self.newest.borrow().clone()
    }
}

impl Keeper {
    async fn keep(self, mut instance: RunningInstance) {
        loop {
            let error = self.follow(&mut instance).await;
            drop(instance);
            self.running.send_replace(Running::NotYet);
            self.publish(OwnEvent::Lost(error.to_string()));
            instance = match self.start_again().await {
                Ok(instance) => instance,
                Err(error) => {
                    self.running.send_replace(Running::Ended(error.to_string()));
                    self.publish(OwnEvent::Lost(error.to_string()));
                    return;
                }
            };
        }
    }

    /// Publishes the states of the link until the stream breaks.
    async fn follow(&self, instance: &mut RunningInstance) -> ClientError {
        loop {
            match instance.next().await {
                Some(Ok(event)) => {
                    self.running.send_if_modified(|running| {
                        std::mem::replace(running, Running::Yes) != Running::Yes
                    });
                    self.publish(OwnEvent::Link(event));
                }
                Some(Err(error)) => return error,
                None => return ClientError::Ended("the daemon ended it".to_owned()),
            }
        }
    }

    async fn start_again(&self) -> Result<RunningInstance, ClientError> {
        let (mut pause, longest) = PAUSES;
        loop {
            let jittered = rand::rng().random_range(pause / 2..=pause);
            tokio::time::sleep(jittered).await;
            match self.client.run_instance(&self.run).await {
                Ok(instance) => return Ok(instance),
                Err(error) if may_pass(&error) => pause = (pause * 2).min(longest),
                Err(error) => return Err(error),
            }
        }
    }

    fn publish(&self, event: OwnEvent) {
        self.newest.send_replace(event.clone());
        // There may be no receiver.
        self.events.send(event).ok();
    }
}

/// True if another start may succeed: the daemon may come back, or still holds the stream that
/// broke.
fn may_pass(error: &ClientError) -> bool {
    let code = match error {
        ClientError::Refused(refusal) => Some(refusal.code),
        _ => None,
    };
    error.is_transient() || matches!(code, Some(Code::AlreadyExists | Code::ResourceExhausted))
}
