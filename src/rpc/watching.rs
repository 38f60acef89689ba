//! The stream of `WatchStatus`: the state of every link that the caller may see, and its changes,
//! for as long as the access rules allow it.

use std::collections::VecDeque;

use futures_util::stream::{self, BoxStream, SelectAll};
use futures_util::{Stream, StreamExt as _};
use tokio_stream::wrappers::WatchStream;
use tonic::Status;

use super::context::ServiceContext;
use super::convert::link_event_out;
use super::error;
use crate::access::Caller;
use crate::bridge::Bridge;
use crate::moment::BootTime;
use crate::router::InstanceId;
use crate::upstream::link::LinkStatus;
use expd_proto as proto;

/// One caller's watch.
pub(super) struct StatusWatch {
    context: ServiceContext,
    caller: Caller,
    /// Changes of the links; none once a link has ended.
    links: SelectAll<BoxStream<'static, (InstanceId, Option<LinkStatus>)>>,
    /// Changes of the access policy, and of the set of instances.
    reloads: BoxStream<'static, ()>,
    runs: BoxStream<'static, ()>,
    /// The configured instances, and those that the caller's user runs.
    instances: Vec<WatchedInstance>,
    /// Events to report: at most one for each instance, and one more for each that has ended.
    pending: VecDeque<proto::LinkEvent>,
    ended: bool,
}

/// One watched instance.
struct WatchedInstance {
    id: InstanceId,
    name: String,
    transient: bool,
    status: Option<LinkStatus>,
    /// The event that was reported last, and the start of its state on the boot clock: setting the
    /// wall clock changes the date but not the state.
    reported: Option<(BootTime, proto::LinkEvent)>,
}

impl StatusWatch {
    pub(super) fn new(context: &ServiceContext, caller: &Caller) -> Self {
        let mut watch = Self {
            links: SelectAll::new(),
            reloads: WatchStream::from_changes(context.access.clone())
                .map(drop)
                .boxed(),
            // Subscribed before the instances are collected, so that none is missed.
            runs: WatchStream::from_changes(context.bridges.changes()).boxed(),
            instances: Vec::new(),
            context: context.clone(),
            caller: caller.clone(),
            pending: VecDeque::new(),
            ended: false,
        };
        watch.add_instances();
        watch
    }

    pub(super) fn into_stream(
        self,
    ) -> impl Stream<Item = Result<proto::LinkEvent, Status>> + Send + 'static {
        stream::unfold(self, |mut watching| async move {
            let next = watching.next().await?;
            Some((next, watching))
        })
    }

    /// Watches the instances that are not watched yet.
    fn add_instances(&mut self) {
        for bridge in self.context.bridges.for_user(self.caller.user()) {
            if self
                .instances
                .iter()
                .all(|known| known.id != bridge.instance)
            {
                self.add(&bridge);
            }
        }
    }

    fn add(&mut self, bridge: &Bridge) {
        let id = bridge.instance;
        let end = stream::once(async { None });
        let states = WatchStream::new(bridge.link.clone()).map(Some).chain(end);
        self.links
            .push(states.map(move |status| (id, status)).boxed());
        self.instances.push(WatchedInstance {
            id,
            name: bridge.name.clone(),
            transient: bridge.user.is_some(),
            status: None,
            reported: None,
        });
    }

    async fn next(&mut self) -> Option<Result<proto::LinkEvent, Status>> {
        while !self.ended {
            if let Some(event) = self.pending.pop_front() {
                return Some(Ok(event));
            }
            let refreshed = tokio::select! {
                biased;
                () = self.context.stop.cancelled() => Err(stopping()),
                Some(()) = self.reloads.next() => self.refresh(),
                Some(()) = self.runs.next() => {
                    self.add_instances();
                    Ok(())
                }
                // None where a reload has removed all of them; others may be added.
                Some((id, status)) = self.links.next() => self.on_link(id, status),
            };
            if let Err(status) = refreshed {
                self.ended = true;
                return Some(Err(status));
            }
        }
        None
    }

    fn on_link(&mut self, id: InstanceId, status: Option<LinkStatus>) -> Result<(), Status> {
        let Some(at) = self.instances.iter().position(|it| it.id == id) else {
            return Ok(());
        };
        if status.is_none() {
            let instance = self.instances.remove(at);
            let same = |other: &WatchedInstance| other.name == instance.name;
            // A replaced instance continues under its name.
            if !self.instances.iter().any(same) {
                let why = if instance.transient {
                    "the instance has ended with the call that ran it"
                } else {
                    "a reload has removed the instance from the settings"
                };
                self.pending
                    .extend(instance.reported.map(|(_, event)| ended(event, why)));
            }
            return Ok(());
        }
        if let Some(instance) = self.instances.get_mut(at) {
            instance.status = status;
        }
        self.refresh()
    }

    /// Queues the events that the caller has not received yet. The stream ends with an error when a
    /// reload revokes the view of a reported instance: silence would look like an unchanged link.
    /// The caller may watch the others again.
    fn refresh(&mut self) -> Result<(), Status> {
        let view = self.context.view(&self.caller);
        for instance in &mut self.instances {
            if let Err(refusal) = view.check(&instance.name) {
                if instance.reported.is_some() {
                    return Err(refusal.into());
                }
                continue;
            }
            let Some(status) = &instance.status else {
                continue;
            };
            let event = link_event_out(&instance.name, status);
            let is_known = instance.reported.as_ref().is_some_and(|(since, reported)| {
                *since == status.since
                    && (reported.state, &reported.reason) == (event.state, &event.reason)
            });
            if !is_known {
                self.pending.push_back(event.clone());
                instance.reported = Some((status.since, event));
            }
        }
        Ok(())
    }
}

fn stopping() -> Status {
    error::stopping("the daemon is stopping; watch again when it is back")
}

/// The last event of an instance.
fn ended(reported: proto::LinkEvent, why: &str) -> proto::LinkEvent {
    proto::LinkEvent {
        state: proto::link_event::State::Offline.into(),
        since: Some(std::time::SystemTime::now().into()),
        reason: why.to_owned(),
        ..reported
    }
}
