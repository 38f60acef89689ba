//! The stream of `WatchStatus`: every link that the caller may see, as it is and as it changes, for as long as the caller may.

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
    /// What changed on which of the instances.
    links: SelectAll<BoxStream<'static, (usize, LinkStatus)>>,
    /// The access policy changed.
    reloads: BoxStream<'static, ()>,
    instances: Vec<Instance>,
    /// To be reported: one event an instance at the most.
    pending: VecDeque<proto::LinkEvent>,
    ended: bool,
}

/// What is known of one instance.
struct Instance {
    name: String,
    status: Option<LinkStatus>,
    /// What the caller knows of it.
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
                    // The links end after the doors.
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

    /// Finds what the caller does not know yet. A caller who loses sight of an instance that it was reported of hears that, instead of
    /// a silence that looks like peace; it may watch anew what it still may see.
    fn refresh(&mut self) -> Result<(), Status> {
        let view = self.context.view(&self.caller);
        for instance in &mut self.instances {
            if !view.instance(&instance.name) {
                if instance.reported.is_some() {
                    return Err(self.context.sees_no_more(&self.caller, &instance.name));
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
