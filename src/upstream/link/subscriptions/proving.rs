//! Proof that the connection delivers: sends probes and fences, and tracks the unanswered ones.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Subscriptions;
use super::probe::{Fence, Probe, Proof};
use crate::router::Moment;
use expd_domain::{Channel, ChannelId};

/// Bound on the confirmed channels that one probe asks for again. The vendor's network does not
/// report a subscription that it forgets, so every channel is probed in turn.
const PROBE_CHANNELS: usize = 500;

impl Subscriptions {
    /// Starts a probe, and returns the IDs to ask for again to prove that the connection still
    /// delivers. Where nothing is confirmed, a pending channel serves, and any message is proof;
    /// empty if nothing was asked for.
    pub fn start_probe(&mut self, now: Moment) -> Vec<ChannelId> {
        let mut ids = Vec::new();
        let mut left = HashSet::new();
        for _ in 0..self.probe_queue.len() {
            if left.len() == PROBE_CHANNELS {
                break;
            }
            let Some(channel) = self.probe_queue.pop_front() else {
                break;
            };
            let Some(ask) = self.asks.get_mut(&channel) else {
                continue;
            };
            if ask.abandoned() {
                ask.in_probe_queue = false;
                continue;
            }
            self.probe_queue.push_back(channel.clone());
            if !self.pending.contains(&channel) {
                ids.extend(ask.probe(now));
                if ask.has_rest() && self.partial.insert(channel.clone()) {
                    ask.put_off_rest(now, self.ask_again);
                    let due = self.rest_due.unwrap_or(ask.rest_due);
                    self.rest_due = Some(due.min(ask.rest_due));
                }
                left.insert(channel);
            }
        }
        let proof = if left.is_empty() {
            let pending = self.pending.iter().next();
            if let Some(ask) = pending.and_then(|channel| self.asks.get_mut(channel)) {
                ids.extend(ask.probe(now));
            }
            Proof::Anything
        } else {
            Proof::Confirmed
        };
        let sent = Instant::from_std(now.at);
        self.probe = (!ids.is_empty()).then_some(Probe { sent, proof, left });
        ids
    }

    /// Starts a fence, as [`Connection::fence`](super::super::connection::Connection::fence)
    /// describes it. Returns the IDs to send: a confirmed one, since others may never be answered;
    /// if possible, of a channel without other pending requests.
    pub fn start_fence(&mut self, now: Moment) -> Vec<ChannelId> {
        let confirmed = || {
            self.probe_queue
                .iter()
                .filter(|c| !self.pending.contains(*c))
        };
        let clean = confirmed().find(|c| self.asks.get(*c).is_some_and(|a| !a.is_unanswered()));
        let Some(channel) = clean.or_else(|| confirmed().next()).cloned() else {
            self.fence = None;
            return Vec::new();
        };
        let Some(ask) = self.asks.get_mut(&channel) else {
            return Vec::new();
        };
        let Some((id, clean)) = ask.fence(now) else {
            return Vec::new();
        };
        self.fence = Some(Fence {
            channel,
            id: id.clone(),
            sent: Instant::from_std(now.at),
            clean,
            answered: false,
        });
        vec![id]
    }

    pub fn fence_answered(&self) -> bool {
        self.fence.as_ref().is_some_and(|fence| fence.answered)
    }

    /// Instant at which the next answer to a probe or a fence is overdue, where `answer` is
    /// allowed.
    pub fn answer_due(&self, answer: Duration) -> Option<Instant> {
        let probe = self.probe.as_ref().map(|probe| probe.sent);
        let fence = self.fence.as_ref().filter(|fence| !fence.answered);
        let fence = fence.map(|fence| fence.sent);
        let sent = [probe, fence].into_iter().flatten().min();
        sent.map(|sent| sent + answer)
    }

    /// True if a probe or a fence sent at `since` or before was not answered: the connection is
    /// dead.
    pub fn unanswered(&self, since: Instant) -> bool {
        let fence = self.fence.as_ref();
        let probe = self.probe.as_ref();
        fence.is_some_and(|fence| !fence.answered && fence.sent <= since)
            || probe
                .is_some_and(|probe| !matches!(probe.proof, Proof::Given) && probe.sent <= since)
    }

    /// Gives open probes and fences their full time again.
    pub fn restart_deadlines(&mut self) {
        self.probe = None;
        if let Some(fence) = &mut self.fence {
            fence.sent = Instant::now();
        }
    }

    /// Makes channels pending again that a probe sent at `since` or before asked for and the server
    /// did not confirm. Returns them with the time up to which each was verified.
    pub fn demote_unanswered(&mut self, since: Instant) -> Vec<(Arc<Channel>, Moment)> {
        let Some(probe) = self.probe.take_if(|probe| probe.sent <= since) else {
            return Vec::new();
        };
        let mut lost = Vec::new();
        for channel in probe.left {
            let Some(ask) = self.asks.get_mut(&channel).filter(|ask| !ask.abandoned()) else {
                continue;
            };
            if self.pending.insert(channel.clone()) {
                ask.times = 1;
                ask.reasked = false;
                ask.forget_answers();
                let verified_at = ask.verified_at.unwrap_or(self.verified_until);
                lost.push((channel, verified_at));
            }
        }
        lost
    }
}
