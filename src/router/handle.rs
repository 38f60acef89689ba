//! The handle of the router: sends commands to its task and awaits the answers.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::error::RouterError;
use super::event::Ended;
use super::listener::{ListenSpec, Listener, ListenerInfo};
use super::report::{InstanceId, InstanceKind, Report};
use super::snapshot::{ChannelSnapshot, InstanceSnapshot, Slice, Totals};
use super::wanted::Wanted;
use crate::config::Limits;

/// Capacity of the router's mailbox. Senders wait while it is full; the router itself never waits,
/// so that is short.
pub(super) const MAILBOX: usize = 1024;

/// Selects the listeners that a caller may end.
pub(super) type ListenerFilter = Box<dyn Fn(&ListenerInfo) -> bool + Send>;

/// One message to the router's task.
pub(super) enum RouterCommand {
    Open {
        instance: InstanceId,
        spec: Box<ListenSpec>,
        reply: oneshot::Sender<Result<Listener, RouterError>>,
    },
    Report(InstanceId, Report),
    ListenerInfo(String, oneshot::Sender<Option<Arc<ListenerInfo>>>),
    Cancel(String, oneshot::Sender<Result<(), RouterError>>),
    ClearContext(String, ListenerFilter, oneshot::Sender<u32>),
    Snapshot(oneshot::Sender<HashMap<InstanceId, InstanceSnapshot>>),
    Totals(oneshot::Sender<HashMap<InstanceId, Totals>>),
    Channels(Slice, oneshot::Sender<Vec<ChannelSnapshot>>),
    Listeners(Slice, oneshot::Sender<Vec<Arc<ListenerInfo>>>),
    Add(String, InstanceKind, oneshot::Sender<AddedInstance>),
    Remove(InstanceId, Ended, oneshot::Sender<()>),
    SetLimits(Box<Limits>, oneshot::Sender<()>),
    Stop,
}

/// An instance that was added to the router. Where it is dropped without
/// [`RouterHandle::remove_instance`], the router removes it within seconds.
#[derive(Debug)]
pub struct AddedInstance {
    pub id: InstanceId,
    /// The channels that its link must subscribe to.
    pub wanted: watch::Receiver<Wanted>,
    pub(super) _alive: Arc<()>,
}

/// Handle of the router; clones share it.
#[derive(Clone, Debug)]
pub struct RouterHandle {
    mailbox: mpsc::Sender<RouterCommand>,
    wanted: Arc<[watch::Receiver<Wanted>]>,
    stopped: CancellationToken,
}

impl RouterHandle {
    pub(super) fn new(
        mailbox: mpsc::Sender<RouterCommand>,
        wanted: Arc<[watch::Receiver<Wanted>]>,
        stopped: CancellationToken,
    ) -> Self {
        Self {
            mailbox,
            wanted,
            stopped,
        }
    }

    /// Opens a listener.
    ///
    /// # Errors
    /// A limit is reached, or the daemon stops.
    pub async fn open(
        &self,
        instance: InstanceId,
        spec: ListenSpec,
    ) -> Result<Listener, RouterError> {
        let spec = Box::new(spec);
        self.ask(|reply| RouterCommand::Open {
            instance,
            spec,
            reply,
        })
        .await?
    }

    /// Delivers a link's report; once the router has stopped, reports are discarded.
    pub async fn report(&self, instance: InstanceId, report: Report) {
        // Fails once the router has stopped, when no listener is left.
        self.mailbox
            .send(RouterCommand::Report(instance, report))
            .await
            .ok();
    }

    /// Ends one listener.
    ///
    /// # Errors
    /// No listener has this ID.
    pub async fn cancel(&self, id: String) -> Result<(), RouterError> {
        self.ask(|reply| RouterCommand::Cancel(id, reply)).await?
    }

    /// The record of a listener. It stays available for a few seconds after the listener's end.
    ///
    /// # Errors
    /// The daemon stops.
    pub async fn listener_info(
        &self,
        id: String,
    ) -> Result<Option<Arc<ListenerInfo>>, RouterError> {
        self.ask(|reply| RouterCommand::ListenerInfo(id, reply))
            .await
    }

    /// Ends every listener of a context that passes `filter`, over all instances. Returns their
    /// number.
    ///
    /// # Errors
    /// The daemon stops.
    pub async fn clear_context(
        &self,
        context: String,
        filter: impl Fn(&ListenerInfo) -> bool + Send + 'static,
    ) -> Result<u32, RouterError> {
        let filter = Box::new(filter);
        self.ask(|reply| RouterCommand::ClearContext(context, filter, reply))
            .await
    }

    /// Channels and listeners of every configured instance.
    ///
    /// # Errors
    /// The daemon stops.
    pub async fn snapshot(&self) -> Result<HashMap<InstanceId, InstanceSnapshot>, RouterError> {
        self.ask(RouterCommand::Snapshot).await
    }

    /// The totals of each instance's listeners.
    ///
    /// # Errors
    /// The daemon stops.
    pub async fn totals(&self) -> Result<HashMap<InstanceId, Totals>, RouterError> {
        self.ask(RouterCommand::Totals).await
    }

    /// A slice of an instance's channels, in the order of first request.
    ///
    /// # Errors
    /// The daemon stops.
    pub async fn channels(&self, slice: Slice) -> Result<Vec<ChannelSnapshot>, RouterError> {
        self.ask(|reply| RouterCommand::Channels(slice, reply))
            .await
    }

    /// A slice of an instance's listeners, the oldest first.
    ///
    /// # Errors
    /// The daemon stops.
    pub async fn listeners(&self, slice: Slice) -> Result<Vec<Arc<ListenerInfo>>, RouterError> {
        self.ask(|reply| RouterCommand::Listeners(slice, reply))
            .await
    }

    /// Ends every listener with [`Ended::Stopping`] and then the router.
    pub async fn stop(&self) {
        // Fails if the router has already stopped.
        self.mailbox.send(RouterCommand::Stop).await.ok();
        self.stopped.cancelled().await;
    }

    /// Adds an instance.
    ///
    /// # Errors
    /// The daemon stops.
    pub async fn add_instance(
        &self,
        name: &str,
        kind: InstanceKind,
    ) -> Result<AddedInstance, RouterError> {
        let name = name.to_owned();
        self.ask(|reply| RouterCommand::Add(name, kind, reply))
            .await
    }

    /// Removes an instance; its listeners end with this reason.
    ///
    /// # Errors
    /// The daemon stops.
    pub async fn remove_instance(
        &self,
        instance: InstanceId,
        why: Ended,
    ) -> Result<(), RouterError> {
        self.ask(|reply| RouterCommand::Remove(instance, why, reply))
            .await
    }

    /// Replaces the limits, also of existing logs: entries beyond a lower bound are evicted with
    /// the next event, and listeners that had not read them receive a gap.
    ///
    /// # Errors
    /// The daemon stops.
    pub async fn set_limits(&self, limits: Limits) -> Result<(), RouterError> {
        let limits = Box::new(limits);
        self.ask(|reply| RouterCommand::SetLimits(limits, reply))
            .await
    }

    /// Channels that the link of an initial instance must subscribe to.
    pub fn wanted(&self, instance: InstanceId) -> Option<watch::Receiver<Wanted>> {
        self.wanted.get(instance.0).cloned()
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> RouterCommand,
    ) -> Result<T, RouterError> {
        let (reply, answer) = oneshot::channel();
        self.mailbox
            .send(command(reply))
            .await
            .map_err(|_| RouterError::Stopping)?;
        answer.await.map_err(|_| RouterError::Stopping)
    }
}
