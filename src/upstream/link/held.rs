//! Broadcasts that a new connection received before it takes over.

use std::collections::HashSet;

use tokio::time::Instant;

use super::connection::{Connection, RefusedChannels};
use crate::router::Incoming;

/// Bounds on held broadcasts, at which the new connection takes over as it is. Only broadcasts that
/// the present connection has not delivered count, so the bounds are reached only if that one no
/// longer delivers anything.
const MOST_HELD: usize = 20_000;
const MOST_HELD_BYTES: usize = 32 << 20;

/// Growth of the held broadcasts after which duplicates are removed from them.
const CLEAN_EVERY: usize = 512;

/// Messages that the new connection received before it took over.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub broadcasts: Vec<Incoming>,
    bytes: usize,
    clean_at: usize,
    pub unexpected: Vec<String>,
    pub refusals: Vec<RefusedChannels>,
}

impl Held {
    pub fn take(&mut self, broadcasts: Vec<Incoming>) {
        self.bytes += broadcasts.iter().map(size).sum::<usize>();
        self.broadcasts.extend(broadcasts);
    }

    pub fn full(&self) -> bool {
        self.broadcasts.len() >= MOST_HELD || self.bytes >= MOST_HELD_BYTES
    }

    pub fn wants_cleaning(&self) -> bool {
        self.broadcasts.len() >= self.clean_at.max(CLEAN_EVERY) || self.full()
    }

    /// Drops broadcasts that `present` has delivered. On a channel that was subscribed on both
    /// after the new connection was `opened`, the new one may have confirmed first and received
    /// broadcasts from before the confirmation on `present`. Nothing was promised for those, and
    /// they would now come out of order.
    pub fn drop_delivered(
        &mut self,
        present: &Connection,
        opened: Instant,
        is_known: impl Fn(&Incoming) -> bool,
    ) {
        let young = |incoming: &Incoming| {
            let at = present.subscriptions.confirmed_at(&incoming.channel);
            at.filter(|at| *at > opened)
        };
        let mut overtaken = HashSet::new();
        let mut kept: Vec<Incoming> = Vec::with_capacity(self.broadcasts.len());
        for incoming in std::mem::take(&mut self.broadcasts).into_iter().rev() {
            if is_known(&incoming) {
                overtaken.insert(incoming.channel);
                continue;
            }
            let late = young(&incoming).is_some_and(|confirmed| {
                overtaken.contains(&incoming.channel)
                    || Instant::from_std(incoming.received.at) < confirmed
            });
            if !late {
                kept.push(incoming);
            }
        }
        kept.reverse();
        self.broadcasts = kept;
        self.bytes = self.broadcasts.iter().map(size).sum();
        self.clean_at = self.broadcasts.len() + CLEAN_EVERY;
    }
}

fn size(incoming: &Incoming) -> usize {
    let broadcast = &incoming.broadcast;
    size_of::<Incoming>() + broadcast.name.len() + broadcast.payload.as_str().len()
}
