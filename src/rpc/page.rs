//! Pages of a status. The router is queried in slices and handles other commands in between, so
//! that a large status does not delay deliveries.

use std::cmp::Reverse;
use std::sync::atomic::Ordering::Relaxed;

use tonic::Status;

use super::access::View;
use super::context::ServiceContext;
use super::convert::{identity_out, link_state_out, network_text};
use super::error;
use crate::bridge::Bridge;
use crate::moment::{BootTime, Moment, WallClock};
use crate::router::{ChannelSnapshot, ListenerInfo, Slice, Totals};
use expd_domain::quoted::{Quoted, shortened};
use expd_domain::{Channel, KnownIdentity};
use expd_proto as proto;

/// Size of a page in bytes; its last entry may exceed it by a few hundred. Clients accept 4 MiB by
/// default.
const MAX_BYTES: usize = 3 << 20;

/// Channels or listeners in one slice from the router.
const SLICE: usize = 256;

/// Limit of a name or context in a status, in bytes.
const MAX_NAME: usize = 256;

/// Indexes of transient instances begin here, above those of configured ones, which a reload may
/// add to between two pages.
const TRANSIENT: usize = 1 << (usize::BITS / 2);

/// Maximum number of limit hits in a status: few enough to read, and far more than there are
/// culprits.
const MAX_HITS: usize = 256;

/// Limit of a channel's ID in a status, in bytes.
const MAX_ID: usize = 2048;

/// Start of a page: the position after an entry of an instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct PageStart {
    /// The instance's index, or the ID of a transient one.
    instance: usize,
    /// True once the instance's channels are complete; `after` is then the number of a listener.
    listeners: bool,
    /// Number of the last entry on the page before.
    after: u64,
}

/// Builds the requested page from what the caller may see.
pub(super) async fn page(
    context: &ServiceContext,
    view: &View,
    request: &proto::GetStatusRequest,
) -> Result<proto::Status, Status> {
    let start = PageStart::read(&request.page_token, context.started_at)?;
    let totals = context.router.totals().await?;
    let mut budget = PageBudget::new(request.page_size);
    let (mut web_pages, mut web_apps) = (Vec::new(), Vec::new());
    let mut limit_hits = Vec::new();
    if request.page_token.is_empty() {
        web_pages = web_pages_out(context, view);
        web_apps = web_apps_out(context, view);
        for page in &web_pages {
            budget.take(page);
        }
        for app in &web_apps {
            budget.take(app);
        }
        limit_hits = limit_hits_out(context, view);
        for hit in &limit_hits {
            budget.take(hit);
        }
    }
    let mut instances = Vec::new();
    let mut next = None;
    for (index, bridge) in view.bridges(&context.bridges).iter().enumerate() {
        // Transient instances come and go between two pages; their IDs keep the order.
        let index = match bridge.user {
            Some(_) => TRANSIENT.saturating_add(bridge.instance.0),
            None => index,
        };
        if !view.instance(&bridge.name) {
            continue;
        }
        let totals = totals.get(&bridge.instance).copied().unwrap_or_default();
        let mut instance = instance_out(bridge, totals);
        budget.take(&instance);
        if next.is_none() && index >= start.instance {
            let start = if index == start.instance {
                start
            } else {
                PageStart::of(index)
            };
            next = fill((context, view), bridge, start, &mut budget, &mut instance).await?;
        }
        instances.push(instance);
    }
    Ok(proto::Status {
        settings_mistakes: Vec::new(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: Some(context.started_at.date().into()),
        instances,
        web_pages,
        web_apps,
        limit_hits,
        next_page_token: next.map_or_else(String::new, |next| next.token(context.started_at)),
    })
}

/// The web pages on visible instances; the door limits their number.
fn web_pages_out(context: &ServiceContext, view: &View) -> Vec<proto::WebPageStatus> {
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

fn web_apps_out(context: &ServiceContext, view: &View) -> Vec<proto::WebAppStatus> {
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
fn limit_hits_out(context: &ServiceContext, view: &View) -> Vec<proto::LimitHit> {
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

/// Adds an instance's channels and listeners from `start` on until the page is full. Returns the
/// start of the next page.
async fn fill(
    (context, view): (&ServiceContext, &View),
    bridge: &Bridge,
    mut start: PageStart,
    budget: &mut PageBudget,
    instance: &mut proto::InstanceStatus,
) -> Result<Option<PageStart>, Status> {
    let seen = view.channels(&bridge.name);
    let slice = |after| Slice {
        instance: bridge.instance,
        after,
        most: SLICE,
    };
    while !start.listeners {
        let channels = context.router.channels(slice(start.after)).await?;
        if channels.is_empty() {
            start.listeners = true;
            start.after = 0;
        }
        for channel in channels {
            if budget.is_full() {
                sort_by_name(&mut instance.channels);
                return Ok(Some(start));
            }
            start.after = channel.order;
            if seen(&channel.channel) {
                let channel = channel_out(bridge, &channel);
                budget.take_entry(&channel);
                instance.channels.push(channel);
            }
        }
        tokio::task::yield_now().await;
    }
    sort_by_name(&mut instance.channels);
    loop {
        let listeners = context.router.listeners(slice(start.after)).await?;
        if listeners.is_empty() {
            return Ok(None);
        }
        for info in listeners {
            if budget.is_full() {
                return Ok(Some(start));
            }
            start.after = info.number;
            if seen(&info.channel) {
                let listener = listener_out(&info);
                budget.take_entry(&listener);
                instance.listeners.push(listener);
            }
        }
        tokio::task::yield_now().await;
    }
}

impl PageStart {
    /// The first channel of an instance.
    fn of(instance: usize) -> Self {
        Self {
            instance,
            ..Self::default()
        }
    }

    /// Encodes the start as a page token, valid only in the daemon that started at `started_at`.
    fn token(self, started_at: BootTime) -> String {
        let kind = if self.listeners { 'l' } else { 'c' };
        let (daemon, instance, after) = (started_at.nanos(), self.instance, self.after);
        format!("{daemon:x}.{instance}.{kind}.{after}")
    }

    fn read(token: &str, started_at: BootTime) -> Result<Self, Status> {
        if token.is_empty() {
            return Ok(Self::default());
        }
        let mut parts = token.split('.');
        let mut part = || parts.next().unwrap_or_default();
        let daemon = u64::from_str_radix(part(), 16);
        let (instance, kind, after) = (part().parse(), part(), part().parse());
        match (daemon, instance, kind, after) {
            (Ok(daemon), Ok(instance), "c" | "l", Ok(after)) if daemon == started_at.nanos() => {
                Ok(Self {
                    instance,
                    listeners: kind == "l",
                    after,
                })
            }
            _ => Err(error::invalid(format_args!(
                "the page token {} is not from this daemon; begin with the first page, without a token",
                Quoted(token)
            ))),
        }
    }
}

/// Remaining space on a page.
struct PageBudget {
    bytes: usize,
    entries: usize,
    empty: bool,
}

impl PageBudget {
    fn new(page_size: u32) -> Self {
        Self {
            bytes: MAX_BYTES,
            entries: match page_size {
                0 => usize::MAX,
                most => usize::try_from(most).unwrap_or(usize::MAX),
            },
            empty: true,
        }
    }

    fn take(&mut self, message: &impl prost::Message) {
        // A key and a length precede it.
        let bytes = message.encoded_len() + 8;
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    fn take_entry(&mut self, entry: &impl prost::Message) {
        self.take(entry);
        self.entries = self.entries.saturating_sub(1);
        self.empty = false;
    }

    /// A page has at least one entry; otherwise paging would never advance.
    fn is_full(&self) -> bool {
        !self.empty && (self.bytes == 0 || self.entries == 0)
    }
}

fn sort_by_name(channels: &mut [proto::ChannelStatus]) {
    let key = |status: &proto::ChannelStatus| {
        let channel = status.channel.clone().unwrap_or_default();
        (channel.name, channel.system, channel.consumer)
    };
    channels.sort_by_cached_key(key);
}

/// An instance's status without its channels and listeners.
fn instance_out(bridge: &Bridge, totals: Totals) -> proto::InstanceStatus {
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

fn channel_out(bridge: &Bridge, channel: &ChannelSnapshot) -> proto::ChannelStatus {
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

fn listener_out(info: &ListenerInfo) -> proto::ListenerStatus {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leads_to_where_the_page_before_ended() {
        let now = BootTime::now();
        let start = PageStart {
            instance: 3,
            listeners: true,
            after: u64::MAX,
        };
        assert_eq!(PageStart::read(&start.token(now), now).unwrap(), start);
        assert_eq!(PageStart::read("", now).unwrap(), PageStart::default());
        let another = BootTime::from_nanos(now.nanos() - 1);
        let of_another = PageStart::of(1).token(another);
        for wrong in ["x", "....", "1.2.3", "1.0.c.0", of_another.as_str()] {
            let refused = PageStart::read(wrong, now).unwrap_err();
            assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{wrong}");
        }
    }
}
