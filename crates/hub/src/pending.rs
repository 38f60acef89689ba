//! Broadcasts that wait for responses, and the IDs of finished ones.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use axum::http::StatusCode;

use super::error::ApiError;
use expd_domain::{BroadcastId, Channel, Payload};
use expd_server::lock::lock;

/// Maximum number of pending broadcasts; each is an HTTP request, too.
const MAX_PENDING: usize = 8192;

/// Maximum number of responses to one broadcast.
const MAX_RESPONSES: usize = 10_000;

/// Maximum size of the responses to all broadcasts together.
const MAX_HELD_BYTES: usize = 256 * 1024 * 1024;

/// Number and age of finished broadcasts that are remembered, so that a late response is refused as
/// late.
const MAX_FINISHED: usize = 10_000;
const FINISHED_MEMORY: Duration = Duration::from_secs(600);

#[derive(Default)]
pub(super) struct PendingBroadcasts(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    open: HashMap<BroadcastId, OpenBroadcast>,
    held_bytes: usize,
    finished: HashSet<BroadcastId>,
    finished_order: VecDeque<(Instant, BroadcastId)>,
}

struct OpenBroadcast {
    channel: Channel,
    responses: Vec<Payload>,
}

/// Pending broadcast. Dropping it finishes it, for example when the sender disconnects.
pub(super) struct PendingBroadcast<'a> {
    broadcasts: &'a PendingBroadcasts,
    id: BroadcastId,
}

impl PendingBroadcasts {
    pub(super) fn len(&self) -> usize {
        lock(&self.0).open.len()
    }

    /// Starts to collect responses.
    pub(super) fn open(
        &self,
        id: BroadcastId,
        channel: Channel,
    ) -> Result<PendingBroadcast<'_>, ApiError> {
        let mut inner = lock(&self.0);
        if inner.open.len() >= MAX_PENDING {
            return Err(ApiError::too_many(
                "network.broadcast.tooMany",
                format!(
                    "{MAX_PENDING} broadcasts already wait for responses; use shorter timeouts"
                ),
            ));
        }
        inner.open.insert(
            id.clone(),
            OpenBroadcast {
                channel,
                responses: Vec::new(),
            },
        );
        Ok(PendingBroadcast {
            broadcasts: self,
            id,
        })
    }

    /// Adds a response to a broadcast.
    pub(super) fn respond(
        &self,
        id: &BroadcastId,
        channel: &Channel,
        payload: Payload,
    ) -> Result<(), ApiError> {
        let inner = &mut *lock(&self.0);
        inner.forget_old();
        let Some(open) = inner.open.get_mut(id) else {
            return Err(if inner.finished.contains(id) {
                ApiError::new(
                    StatusCode::GONE,
                    "network.broadcast.finished",
                    "the response came too late: the broadcast no longer waits for responses",
                )
            } else {
                ApiError::not_found(
                    "network.broadcast.unknown",
                    "no broadcast has this id; respond with the id and channel that the broadcast carried",
                )
            });
        };
        if open.channel != *channel {
            return Err(ApiError::bad_request(
                "network.response.channel",
                format!(
                    "the broadcast was sent on {}, not on {channel}; respond with the channel that the broadcast carried",
                    open.channel
                ),
            ));
        }
        let size = payload.as_str().len();
        if open.responses.len() >= MAX_RESPONSES || inner.held_bytes + size > MAX_HELD_BYTES {
            return Err(ApiError::too_many(
                "network.response.tooMany",
                "the broadcast already has the maximum number of responses",
            ));
        }
        inner.held_bytes += size;
        open.responses.push(payload);
        Ok(())
    }
}

impl PendingBroadcast<'_> {
    /// Ends a broadcast and returns its responses in order of arrival.
    pub(super) fn finish(self) -> Vec<Payload> {
        self.close()
    }

    fn close(&self) -> Vec<Payload> {
        let mut inner = lock(&self.broadcasts.0);
        let Some(open) = inner.open.remove(&self.id) else {
            return Vec::new();
        };
        let held: usize = open.responses.iter().map(|p| p.as_str().len()).sum();
        inner.held_bytes = inner.held_bytes.saturating_sub(held);
        inner.remember(self.id.clone());
        open.responses
    }
}

impl Drop for PendingBroadcast<'_> {
    fn drop(&mut self) {
        drop(self.close());
    }
}

impl Inner {
    fn remember(&mut self, id: BroadcastId) {
        self.forget_old();
        if self.finished_order.len() >= MAX_FINISHED
            && let Some((_, oldest)) = self.finished_order.pop_front()
        {
            self.finished.remove(&oldest);
        }
        self.finished.insert(id.clone());
        self.finished_order.push_back((Instant::now(), id));
    }

    fn forget_old(&mut self) {
        while let Some((when, _)) = self.finished_order.front()
            && when.elapsed() > FINISHED_MEMORY
        {
            if let Some((_, id)) = self.finished_order.pop_front() {
                self.finished.remove(&id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(text: &str) -> Payload {
        Payload::parse(text).unwrap()
    }

    #[test]
    fn responses_come_in_order_and_a_late_one_is_told_so() {
        let pending = PendingBroadcasts::default();
        let (id, channel) = (BroadcastId::new("b"), Channel::new("menu"));
        let waiting = pending.open(id.clone(), channel.clone()).unwrap();
        pending.respond(&id, &channel, payload("1.0")).unwrap();
        pending.respond(&id, &channel, payload("2")).unwrap();
        assert_eq!(
            pending
                .respond(&id, &channel.clone().consumer(), payload("3"))
                .unwrap_err()
                .code,
            "network.response.channel"
        );
        assert_eq!(waiting.finish(), [payload("1.0"), payload("2")]);
        assert_eq!(pending.len(), 0);
        let code = |id| {
            pending
                .respond(&id, &channel, payload("4"))
                .unwrap_err()
                .code
        };
        assert_eq!(code(id), "network.broadcast.finished");
        assert_eq!(code(BroadcastId::new("c")), "network.broadcast.unknown");
    }

    #[test]
    fn a_broadcaster_that_goes_away_finishes_its_broadcast() {
        let pending = PendingBroadcasts::default();
        let waiting = pending
            .open(BroadcastId::new("b"), Channel::new("menu"))
            .unwrap();
        drop(waiting);
        assert_eq!(pending.len(), 0);
    }

    #[test]
    fn the_memory_of_finished_broadcasts_is_bounded() {
        let pending = PendingBroadcasts::default();
        for n in 0..=MAX_FINISHED {
            let id = BroadcastId::new(n.to_string());
            drop(pending.open(id, Channel::new("menu")).unwrap());
        }
        let inner = lock(&pending.0);
        assert_eq!(inner.finished.len(), MAX_FINISHED);
        assert!(!inner.finished.contains(&BroadcastId::new("0")));
    }
}
