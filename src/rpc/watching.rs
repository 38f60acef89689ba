//! The stream of `WatchStatus`: the state of every link that the caller may see, and its changes,
//! for as long as the access rules allow it.

use std::collections::VecDeque;

use futures_util::stream::{BoxStream, SelectAll};
use futures_util::{Stream, StreamExt as _, stream};
use tokio_stream::wrappers::WatchStream;
use tonic::Status;

use super::context::ServiceContext;
use super::convert::{link_state_out, network_text};
use crate::access::Caller;
use crate::upstream::link::LinkStatus;
use expd_proto as proto;

/// One caller's watch.
pub(super) struct StatusWatch {
    context: ServiceContext,
    caller: Caller,
    /// Changes of the links, by the index of their instance.
    links: SelectAll<BoxStream<'static, (usize, LinkStatus)>>,
    /// Changes of the access policy.
    reloads: BoxStream<'static, ()>,
    instances: Vec<Instance>,
    /// Events to report: at most one for each instance.
    pending: VecDeque<proto::LinkEvent>,
    ended: bool,
}

/// One watched instance.
struct Instance {
    name: String,
    status: Option<LinkStatus>,
    /// The event that was reported last.
    reported: Option<proto::LinkEvent>,
}

impl StatusWatch {
    pub(super) fn new(context: &ServiceContext, caller: &Caller) -> Self {
        let links = context.bridges.iter().enumerate().map(|(at, bridge)| {
            WatchStream::new(bridge.link.clone())
                .map(move |status| (at, status))
                .boxed()
        });
        let instances = context.bridges.iter().map(|bridge| Instance {
            name: bridge.name.clone(),
            status: None,
            reported: None,
        });
        Self {
            links: links.collect(),
            reloads: WatchStream::from_changes(context.access.clone())
                .map(drop)
                .boxed(),
            instances: instances.collect(),
            context: context.clone(),
            caller: caller.clone(),
            pending: VecDeque::new(),
            ended: false,
        }
    }

    pub(super) fn into_stream(
        self,
    ) -> impl Stream<Item = Result<proto::LinkEvent, Status>> + Send + 'static {
        stream::unfold(self, |mut watching| async move {
            let next = watching.next().await?;
            Some((next, watching))
        })
    }

    async fn next(&mut self) -> Option<Result<proto::LinkEvent, Status>> {
        while !self.ended {
            if let Some(event) = self.pending.pop_front() {
                return Some(Ok(event));
            }
            let refreshed = tokio::select! {
                () = self.context.stop.cancelled() => Err(stopping()),
                Some(()) = self.reloads.next() => self.refresh(),
                changed = self.links.next() => match changed {
                    Some((at, status)) => {
                        if let Some(instance) = self.instances.get_mut(at) {
                            instance.status = Some(status);
                        }
                        self.refresh()
                    }
                    // The links end after the servers.
                    None => Err(stopping()),
                },
            };
            if let Err(status) = refreshed {
                self.ended = true;
                return Some(Err(status));
            }
        }
        None
    }

    /// Queues what the caller does not know yet. The stream ends with an error when a reload
    /// revokes the view of an instance that was reported: silence would look like an unchanged
    /// link. The caller may watch the others again.
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
            let event = link_event(&instance.name, status);
            if instance.reported.as_ref() != Some(&event) {
                self.pending.push_back(event.clone());
                instance.reported = Some(event);
            }
        }
        Ok(())
    }
}

fn stopping() -> Status {
    Status::unavailable("the daemon is stopping; watch again when it is back")
}

fn link_event(instance: &str, status: &LinkStatus) -> proto::LinkEvent {
    proto::LinkEvent {
        instance: instance.to_owned(),
        state: link_state_out(status.state).into(),
        since: Some(status.since.into()),
        reason: network_text(&status.reason),
    }
}
