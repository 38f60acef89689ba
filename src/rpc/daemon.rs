//! `expd.v1.Daemon`.

use std::sync::atomic::Ordering::Relaxed;

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use tonic::{Request, Response, Status};

use super::access::{View, caller_of};
use super::status::router;
use super::watching::{Watching, state_out};
use super::{Door, api, convert};
use crate::bridge::Bridge;
use crate::proto;
use crate::proto::daemon_server::Daemon;
use crate::router::{Card, ChannelSnapshot, InstanceSnapshot};

/// The service.
#[derive(Clone)]
pub struct DaemonService(pub Door);

#[tonic::async_trait]
impl Daemon for DaemonService {
    async fn get_status(
        &self,
        request: Request<proto::GetStatusRequest>,
    ) -> Result<Response<proto::Status>, Status> {
        let caller = caller_of(request.extensions());
        self.0.allow_status(&caller).await?;
        let view = self.0.view(&caller);
        let snapshots = self
            .0
            .router
            .snapshot()
            .await
            .map_err(|error| router(&error))?;
        let seen = self.0.bridges.iter().filter(|b| view.instance(&b.name));
        let instances = seen.map(|bridge| {
            let snapshot = snapshots.get(bridge.instance.0).cloned();
            instance_out(bridge, &snapshot.unwrap_or_default(), &view)
        });
        Ok(Response::new(proto::Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: Some(self.0.started_at.into()),
            instances: instances.collect(),
        }))
    }

    type WatchStatusStream = BoxStream<'static, Result<proto::LinkEvent, Status>>;

    async fn watch_status(
        &self,
        request: Request<proto::WatchStatusRequest>,
    ) -> Result<Response<Self::WatchStatusStream>, Status> {
        let caller = caller_of(request.extensions());
        // Before the check, so that a reload between the two is noticed.
        let watching = Watching::new(&self.0, &caller);
        self.0.allow_status(&caller).await?;
        Ok(Response::new(watching.into_stream().boxed()))
    }
}

fn instance_out(
    bridge: &Bridge,
    snapshot: &InstanceSnapshot,
    view: &View,
) -> proto::InstanceStatus {
    let seen = view.channels(&bridge.name);
    let link = bridge.link.borrow().clone();
    let counters = &bridge.counters;
    proto::InstanceStatus {
        instance: bridge.name.clone(),
        host: bridge.settings.host.clone(),
        identity: bridge.identity().ok().map(api::identity_out),
        link: Some(proto::LinkStatus {
            state: state_out(link.state).into(),
            since: Some(link.since.into()),
            attempt: link.attempt,
            last_error: link.last_error.unwrap_or_default(),
            next_try: link.next_try.map(|at| at.wall().into()),
            protocol: link.protocol,
            token_expires_at: bridge.token_expires_at().map(Into::into),
        }),
        channels: snapshot
            .channels
            .iter()
            .filter(|channel| seen(&channel.channel))
            .map(|channel| channel_out(bridge, channel))
            .collect(),
        listeners: snapshot
            .listeners
            .iter()
            .filter(|card| seen(&card.channel))
            .map(|card| listener_out(card))
            .collect(),
        waiting_broadcasts: u32::try_from(bridge.waiting_broadcasts()).unwrap_or(u32::MAX),
        counters: Some(proto::Counters {
            connects: counters.connects.get(),
            disconnects: counters.disconnects.get(),
            logins: counters.logins.get(),
            refreshes: counters.refreshes.get(),
            broadcasts_received: counters.broadcasts_received.get(),
            duplicates: counters.duplicates.get(),
            deliveries: snapshot.deliveries,
            gaps: snapshot.gaps,
            broadcasts_sent: counters.broadcasts_sent.get(),
            broadcasts_failed: counters.broadcasts_failed.get(),
            responses_sent: counters.responses_sent.get(),
            responses_failed: counters.responses_failed.get(),
            unexpected_messages: counters.unexpected_messages.get(),
        }),
    }
}

fn channel_out(bridge: &Bridge, channel: &ChannelSnapshot) -> proto::ChannelStatus {
    proto::ChannelStatus {
        channel: Some(convert::channel_out(&channel.channel)),
        channel_id: bridge.channel_id(&channel.channel),
        wanted_since: Some(channel.wanted_since.into()),
        asked_at: channel.asked_at.map(Into::into),
        confirmed_at: channel.confirmed_at.map(Into::into),
        last_broadcast_at: channel.last_broadcast_at.map(Into::into),
        listeners: count_out(channel.listeners),
        log_events: count_out(channel.log_events),
        log_bytes: channel.log_bytes as u64,
        log_sequence: channel.log_sequence,
    }
}

fn listener_out(card: &Card) -> proto::ListenerStatus {
    proto::ListenerStatus {
        id: card.id.clone(),
        channel: Some(convert::channel_out(&card.channel)),
        name: card.name.clone(),
        context: card.context.clone(),
        pid: card.peer.map_or(0, |peer| peer.pid),
        uid: card.peer.map_or(0, |peer| peer.uid),
        behind: card.behind(),
        delivered: card.delivered.load(Relaxed),
        missed: card.missed.load(Relaxed),
    }
}

fn count_out(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
