//! What a page of a status consists of: its messages, made from what the daemon holds.

use std::cmp::Reverse;
use std::sync::atomic::Ordering::Relaxed;

use crate::bridge::Bridge;
use crate::moment::{Moment, WallClock};
use crate::router::{ChannelSnapshot, ListenerInfo, Totals};
use crate::rpc::access::View;
use crate::rpc::context::ServiceContext;
use crate::rpc::convert::{identity_out, link_state_out, network_text};
use expd_domain::quoted::shortened;
use expd_domain::{Channel, KnownIdentity};
use expd_proto as proto;

/// Limit of a name or context in a status, in bytes.
const MAX_NAME: usize = 256;

/// Maximum number of limit hits in a status: few enough to read, and far more than there are
/// culprits.
const MAX_HITS: usize = 256;

/// Limit of a channel's ID in a status, in bytes.
const MAX_ID: usize = 2048;

/// The web pages on visible instances; the door limits their number.
pub(super) fn web_pages_out(context: &ServiceContext, view: &View) -> Vec<proto::WebPageStatus> {
    let pages = context.pages.list().into_iter();
    pages
        .filter(|page| view.instance(&page.instance))
        .map(|page| proto::WebPageStatus {
            app: name(&page.app),
            origin: name(&page.origin),
            instance: page.instance.clone(),
            since: Some(page.since.date().into()),
            protocol: page.protocol.into(),
            websocket: page.websocket.load(Relaxed),
            channels: count_out(page.channels()),
            behind: page.behind(),
            delivered: page.delivered(),
        })
        .collect()
}

pub(super) fn web_apps_out(context: &ServiceContext, view: &View) -> Vec<proto::WebAppStatus> {
    let apps = context.pages.apps().into_iter();
    apps.filter(|(_, counts)| view.instance(&counts.instance))
        .map(|(app, of_app)| {
            let total = of_app.total();
            let origins = of_app.origins.into_iter();
            let origins = origins.map(|(origin, counts)| proto::WebOriginStatus {
                origin: name(&origin),
                opened: counts.opened,
                delivered: counts.delivered,
                cut: counts.cut,
                refused: counts.refused,
            });
            proto::WebAppStatus {
                app: name(&app),
                instance: of_app.instance,
                opened: total.opened,
                delivered: total.delivered,
                cut: total.cut,
                refused: total.refused,
                origins: origins.collect(),
            }
        })
        .collect()
}

/// The latest refusals for limits that the caller may see.
pub(super) fn limit_hits_out(context: &ServiceContext, view: &View) -> Vec<proto::LimitHit> {
    let sees_all = context
        .bridges
        .iter()
        .all(|bridge| view.instance(&bridge.name));
    let mut hits = context.limit_hits.list();
    hits.retain(|hit| sees_all || hit.holder == Some(view.holder()));
    hits.sort_by_key(|hit| Reverse(hit.last_at));
    hits.truncate(MAX_HITS);
    let clock = WallClock::now();
    let hits = hits.into_iter().map(|hit| proto::LimitHit {
        limit: hit.limit.key().to_owned(),
        user: name(&hit.user_label()),
        pid: hit.program.map_or(0, |program| program.pid),
        uid: hit.program.map_or(0, |program| program.uid),
        count: hit.count,
        last_at: Some(clock.date(hit.last_at).into()),
    });
    hits.collect()
}

/// An instance's status without its channels and listeners.
pub(super) fn instance_out(bridge: &Bridge, totals: Totals) -> proto::InstanceStatus {
    let link = bridge.link.borrow().clone();
    let counters = &bridge.counters;
    proto::InstanceStatus {
        instance: bridge.name.clone(),
        host: bridge.session.setup().settings.host.clone(),
        identity: bridge.identity().ok().map(|identity| {
            // Left out: a status is read often, and the rest is JSON for which there are no fields.
            let rest = String::new();
            identity_out(
                KnownIdentity { rest, ..identity },
                bridge.token_expires_at(),
            )
        }),
        link: Some(proto::LinkStatus {
            state: link_state_out(link.state).into(),
            since: Some(link.since.date().into()),
            attempt: link.attempt,
            last_error: network_text(link.last_error.as_deref().unwrap_or_default()),
            next_try: link.next_try.map(|at| at.wall().into()),
            protocol: link.protocol,
            token_expires_at: bridge.token_expires_at().map(Into::into),
        }),
        channels: Vec::new(),
        listeners: Vec::new(),
        waiting_broadcasts: count_out(bridge.waiting_broadcasts()),
        transient: bridge.user.is_some(),
        unsaved_credentials: network_text(
            bridge
                .session
                .unsaved()
                .borrow()
                .as_deref()
                .unwrap_or_default(),
        ),
        counters: Some(proto::Counters {
            connects: counters.connects.get(),
            disconnects: counters.disconnects.get(),
            logins: counters.logins.get(),
            refreshes: counters.refreshes.get(),
            broadcasts_received: counters.broadcasts_received.get(),
            duplicates: counters.duplicates.get(),
            deliveries: totals.deliveries,
            gaps: totals.gaps.total(),
            broadcasts_sent: counters.broadcasts_sent.get(),
            broadcasts_failed: counters.broadcasts_failed.get(),
            responses_sent: counters.responses_sent.get(),
            responses_failed: counters.responses_failed.get(),
            unexpected_messages: counters.unexpected_messages.get(),
        }),
    }
}

pub(super) fn channel_out(bridge: &Bridge, channel: &ChannelSnapshot) -> proto::ChannelStatus {
    let clock = WallClock::now();
    let date = |moment: Option<Moment>| moment.map(|moment| clock.date(moment.boot).into());
    proto::ChannelStatus {
        channel: Some(channel_name_out(&channel.channel)),
        channel_id: channel_id_out(bridge, &channel.channel),
        wanted_since: date(Some(channel.wanted_since)),
        asked_at: date(channel.asked_at),
        confirmed_at: date(channel.confirmed_at),
        last_broadcast_at: date(channel.last_broadcast_at),
        listeners: count_out(channel.listeners),
        log_events: count_out(channel.log_events),
        log_bytes: channel.log_bytes as u64,
        log_sequence: channel.log_sequence,
        refusal: network_text(channel.refusal.as_deref().unwrap_or_default()),
    }
}

/// A channel's ID; empty if its name is shortened, because a shortened ID names no channel.
fn channel_id_out(bridge: &Bridge, channel: &Channel) -> String {
    if channel.name.len() > MAX_NAME {
        return String::new();
    }
    Some(bridge.channel_id(channel))
        .filter(|id| id.len() <= MAX_ID)
        .unwrap_or_default()
}

pub(super) fn listener_out(info: &ListenerInfo) -> proto::ListenerStatus {
    proto::ListenerStatus {
        id: info.id.clone(),
        channel: Some(channel_name_out(&info.channel)),
        name: name(&info.name),
        context: name(&info.context),
        pid: info.peer.map_or(0, |peer| peer.pid),
        uid: info.peer.map_or(0, |peer| peer.uid),
        behind: info.behind(),
        delivered: info.delivered.load(Relaxed),
        missed: info.missed.load(Relaxed),
    }
}

fn channel_name_out(channel: &Channel) -> proto::Channel {
    proto::Channel {
        name: name(&channel.name),
        system: channel.system,
        consumer: channel.consumer,
    }
}

fn name(text: &str) -> String {
    shortened(text, MAX_NAME).into_owned()
}

fn count_out(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
