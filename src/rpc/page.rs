//! Pages of a status. The router is queried in slices and handles other commands in between, so
//! that a large status does not delay deliveries.

mod entries;

use tonic::Status;

use super::access::View;
use super::context::ServiceContext;
use super::error;
use crate::bridge::Bridge;
use crate::moment::BootTime;
use crate::router::Slice;
use entries::{
    channel_out, instance_out, limit_hits_out, listener_out, web_apps_out, web_pages_out,
};
use expd_domain::quoted::Quoted;
use expd_proto as proto;

/// Size of a page in bytes; its last entry may exceed it by a few hundred. Clients accept 4 MiB by
/// default.
const MAX_BYTES: usize = 3 << 20;

/// Channels or listeners in one slice from the router.
const SLICE: usize = 256;

/// Indexes of transient instances begin here, above those of configured ones, which a reload may
/// add to between two pages.
const TRANSIENT: usize = 1 << (usize::BITS / 2);

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
