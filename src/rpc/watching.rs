//! The stream of `WatchStatus`: every link that the caller may see, as it is and as it changes, for as long as the caller may.

use std::collections::VecDeque;

use futures_util::stream::{BoxStream, SelectAll};
use futures_util::{Stream, StreamExt as _, stream};
use tokio_stream::wrappers::WatchStream;
use tonic::Status;

use super::context::ServiceContext;
use super::convert::{link_state_out, words};
use crate::access::Caller;
use crate::upstream::link::LinkStatus;
use expd_proto as proto;

/// One caller's watch.
pub(super) struct Watching {
    context: ServiceContext,
    caller: Caller,
    /// What changed on which of the instances.
    links: SelectAll<BoxStream<'static, (usize, LinkStatus)>>,
    /// The access policy changed.
    reloads: BoxStream<'static, ()>,
    instances: Vec<Instance>,
    /// To be told: one event an instance at the most.
    news: VecDeque<proto::LinkEvent>,
    ended: bool,
}

/// What is known of one instance.
struct Instance {
    name: String,
    status: Option<LinkStatus>,
    /// What the caller knows of it.
    told: Option<proto::LinkEvent>,
}

impl Watching {
    pub(super) fn new(context: &ServiceContext, caller: &Caller) -> Self {
        let links = context.bridges.iter().enumerate().map(|(at, bridge)| {
            WatchStream::new(bridge.link.clone())
                .map(move |status| (at, status))
                .boxed()
        });
        let instances = context.bridges.iter().map(|bridge| Instance {
            name: bridge.name.clone(),
            status: None,
            told: None,
        });
        Self {
            links: links.collect(),
            reloads: WatchStream::from_changes(context.access.clone())
                .map(drop)
                .boxed(),
            instances: instances.collect(),
            context: context.clone(),
            caller: caller.clone(),
            news: VecDeque::new(),
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
            if let Some(event) = self.news.pop_front() {
                return Some(Ok(event));
            }
            let looked = tokio::select! {
                () = self.context.stop.cancelled() => Err(stopping()),
                Some(()) = self.reloads.next() => self.look(),
                changed = self.links.next() => match changed {
                    Some((at, status)) => {
                        if let Some(instance) = self.instances.get_mut(at) {
                            instance.status = Some(status);
                        }
                        self.look()
                    }
                    // The links end after the doors.
                    None => Err(stopping()),
                },
            };
            if let Err(status) = looked {
                self.ended = true;
                return Some(Err(status));
            }
        }
        None
    }

    /// Finds what the caller does not know yet. A caller who loses sight of an instance that it was told of hears that, instead of
    /// a silence that looks like peace; it may watch anew what it still may see.
    fn look(&mut self) -> Result<(), Status> {
        let view = self.context.view(&self.caller);
        for instance in &mut self.instances {
            if !view.instance(&instance.name) {
                if instance.told.is_some() {
                    return Err(self.context.sees_no_more(&self.caller, &instance.name));
                }
                continue;
            }
            let Some(status) = &instance.status else {
                continue;
            };
            let event = link_event(&instance.name, status);
            if instance.told.as_ref() != Some(&event) {
                self.news.push_back(event.clone());
                instance.told = Some(event);
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
        reason: words(&status.reason),
    }
}
