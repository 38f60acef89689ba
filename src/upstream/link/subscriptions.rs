//! Subscriptions of one connection: what was asked for, and what the server confirmed.

mod ask;
mod coverage;
mod probe;
mod proving;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use ask::{Ask, Standing, Verdict};
use probe::{Fence, Probe, Proof};

use crate::config::ChannelIdSpelling;
use crate::router::Moment;
use expd_domain::{Alphabet, Channel, ChannelId};

/// Bound on the unconfirmed spellings of confirmed channels that are asked for at once.
const REST_IDS: usize = 500;

/// Subscriptions of one connection.
#[derive(Debug)]
pub(super) struct Subscriptions {
    organization: String,
    spelling: ChannelIdSpelling,
    /// First and longest wait before an unconfirmed request is repeated.
    ask_again: (Duration, Duration),
    /// Bounded by the wanted channels: one no longer wanted is forgotten here, though the server
    /// keeps it.
    asks: HashMap<Arc<Channel>, Ask>,
    /// Number of channels that the server was asked for and that are no longer wanted. The link
    /// replaces a connection with many of them.
    surplus: usize,
    /// Set once a channel was forgotten for which an answer may still come.
    forgot_unanswered: bool,
    /// Channels by the spellings that were asked for, so that finding a broadcast's channel needs
    /// no decoding.
    by_id: HashMap<ChannelId, Arc<Channel>>,
    /// Asked for and not confirmed.
    pending: HashSet<Arc<Channel>>,
    /// Channels that are confirmed in some spellings and not in all. They count as confirmed; the
    /// other spellings are asked for again at growing intervals.
    partial: HashSet<Arc<Channel>>,
    /// Instant before which none of them is due.
    rest_due: Option<Instant>,
    /// Confirmed channels, the longest unprobed first. May hold channels that are pending again or
    /// forgotten; those are skipped.
    probe_queue: VecDeque<Arc<Channel>>,
    probe: Option<Probe>,
    fence: Option<Fence>,
    /// Everything that the server sent before this moment has arrived: the time of sending of the
    /// latest request that was answered.
    verified_until: Moment,
}

impl Subscriptions {
    pub fn new(
        organization: String,
        spelling: ChannelIdSpelling,
        ask_again: (Duration, Duration),
    ) -> Self {
        Self {
            organization,
            spelling,
            ask_again,
            asks: HashMap::new(),
            surplus: 0,
            forgot_unanswered: false,
            by_id: HashMap::new(),
            pending: HashSet::new(),
            partial: HashSet::new(),
            rest_due: None,
            probe_queue: VecDeque::new(),
            probe: None,
            fence: None,
            verified_until: Moment::now(),
        }
    }

    /// Number of channels that the server was asked for and that are no longer wanted. It keeps
    /// sending their broadcasts, and they count towards its limit on the channels of a socket.
    pub fn surplus(&self) -> usize {
        self.surplus
    }

    /// Number of wanted channels that the server refuses.
    pub fn refused(&self) -> usize {
        let asks = self.pending.iter().filter_map(|c| self.asks.get(c));
        asks.filter(|ask| ask.refused()).count()
    }

    /// True if a wanted channel is not confirmed.
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// All wanted channels that were asked for.
    pub fn all(&self) -> Vec<Arc<Channel>> {
        self.wanted().map(|(channel, _)| channel.clone()).collect()
    }

    fn wanted(&self) -> impl Iterator<Item = (&Arc<Channel>, &Ask)> {
        self.asks.iter().filter(|(_, ask)| !ask.abandoned())
    }

    /// Instant from which a channel has been received here.
    pub fn confirmed_at(&self, channel: &Arc<Channel>) -> Option<Instant> {
        self.asks.get(channel)?.confirmed_at
    }

    /// All wanted channels that are confirmed.
    pub fn confirmed_channels(&self) -> Vec<Arc<Channel>> {
        let channels = self.wanted().map(|(channel, _)| channel);
        let confirmed = channels.filter(|channel| !self.pending.contains(*channel));
        confirmed.cloned().collect()
    }

    /// Everything that the server sent before this moment has arrived.
    pub fn verified_until(&self) -> Moment {
        self.verified_until
    }

    /// Forgets channels no longer wanted. They are not asked for again, and another connection need
    /// not have them.
    pub fn abandon(&mut self, is_wanted: impl Fn(&Arc<Channel>) -> bool) {
        let (probe, fence) = (self.probe.as_ref(), self.fence.as_ref());
        let fence = fence.filter(|fence| !fence.answered);
        for (channel, ask) in &mut self.asks {
            if ask.abandoned() || is_wanted(channel) {
                continue;
            }
            ask.standing = Standing::Abandoned;
            self.surplus += 1;
            self.pending.remove(channel);
            self.partial.remove(channel);
        }
        let awaited = |channel: &Arc<Channel>| {
            probe.is_some_and(|probe| probe.left.contains(channel))
                || fence.is_some_and(|fence| fence.channel == *channel)
        };
        let (by_id, unanswered) = (&mut self.by_id, &mut self.forgot_unanswered);
        self.asks.retain(|channel, ask| {
            let keep = !ask.abandoned() || awaited(channel);
            if !keep {
                *unanswered |= ask.is_unanswered();
                for spelling in &ask.spellings {
                    by_id.remove(&spelling.id);
                }
            }
            keep
        });
        let asks = &self.asks;
        self.probe_queue
            .retain(|channel| asks.contains_key(channel));
    }

    /// Notes that channels are asked for now, unless they are pending, and returns the IDs to send.
    pub fn ask(&mut self, channels: &[Arc<Channel>], now: Moment) -> Vec<ChannelId> {
        // An answer to a forgotten request could pass for one to this request. It proves nothing
        // beyond what is verified.
        let stale_since = self.forgot_unanswered.then_some(self.verified_until);
        let mut ids = Vec::new();
        for channel in channels {
            if self.pending.contains(channel) {
                continue;
            }
            if !self.asks.contains_key(channel) {
                let spelled = self.spell(channel);
                for id in &spelled {
                    self.by_id.insert(id.clone(), channel.clone());
                }
                let ask = Ask::new(spelled, now, stale_since);
                self.asks.insert(channel.clone(), ask);
            }
            let Some(ask) = self.asks.get_mut(channel) else {
                continue;
            };
            if ask.abandoned() {
                ask.standing = Standing::Wanted;
                self.surplus = self.surplus.saturating_sub(1);
            }
            ask.reasked = ask.confirmed_at.is_some();
            ask.times = 0;
            ids.extend(ask.send(now));
            self.pending.insert(channel.clone());
        }
        ids
    }

    /// Handles a confirmation and returns its channels. One spelling confirms its channel.
    pub fn confirm(&mut self, ids: &[ChannelId]) -> Vec<Arc<Channel>> {
        let mut confirmed = Vec::new();
        for id in ids {
            let Some(channel) = self.channel(id) else {
                continue;
            };
            let Some(ask) = self.asks.get_mut(&channel) else {
                continue;
            };
            let asked = self.by_id.contains_key(id);
            let (since, all_back) = ask.on_answer(id, Verdict::Confirmed);
            if let Some(since) = since {
                ask.verified_at = Some(ask.verified_at.map_or(since, |before| before.max(since)));
                self.verified_until = self.verified_until.max(since);
            }
            if ask.refused() {
                ask.standing = Standing::Wanted;
            }
            if self.pending.remove(&channel) {
                // A channel that was only asked for again has been received all along.
                if !ask.reasked {
                    ask.confirmed_at = Some(Instant::now());
                }
                if !ask.in_probe_queue {
                    ask.in_probe_queue = true;
                    self.probe_queue.push_back(channel.clone());
                }
            }
            if !ask.has_rest() {
                self.partial.remove(&channel);
            } else if !ask.abandoned() && self.partial.insert(channel.clone()) {
                ask.put_off_rest(Moment::now(), self.ask_again);
                let due = self.rest_due.unwrap_or(ask.rest_due);
                self.rest_due = Some(due.min(ask.rest_due));
            }
            if let Some(probe) = &mut self.probe {
                if probe.left.remove(&channel) && matches!(probe.proof, Proof::Confirmed) {
                    probe.proof = Proof::Given;
                }
                if probe.left.is_empty() && matches!(probe.proof, Proof::Given) {
                    self.probe = None;
                }
            }
            if let Some(fence) = &mut self.fence {
                fence.on_answer(&channel, id, asked, all_back);
            }
            if confirmed.last() != Some(&channel) {
                confirmed.push(channel);
            }
        }
        confirmed
    }

    /// Handles a refusal and returns the channels that it leaves without a subscription and that
    /// were not refused before. A channel is refused once the server has refused each of its
    /// spellings; it stays pending, and is asked for again.
    pub fn refuse(&mut self, ids: &[ChannelId]) -> Vec<Arc<Channel>> {
        let mut refused = Vec::new();
        for id in ids {
            let Some(channel) = self.channel(id) else {
                continue;
            };
            let Some(ask) = self.asks.get_mut(&channel) else {
                continue;
            };
            let asked = self.by_id.contains_key(id);
            let (_, all_back) = ask.on_answer(id, Verdict::Refused);
            // A refusal is an answer as well.
            if let Some(probe) = &mut self.probe
                && probe.left.contains(&channel)
                && matches!(probe.proof, Proof::Confirmed)
            {
                probe.proof = Proof::Given;
            }
            if let Some(fence) = &mut self.fence {
                fence.on_answer(&channel, id, asked, all_back);
            }
            let all = ask.spellings.iter().all(|s| s.verdict == Verdict::Refused);
            if all
                && self.pending.contains(&channel)
                && std::mem::replace(&mut ask.standing, Standing::Refused) == Standing::Wanted
            {
                refused.push(channel);
            }
        }
        refused
    }

    /// Number of channels that were asked for at least `times` times, and neither confirmed nor
    /// refused.
    pub fn unanswered_asks(&self, times: u32) -> usize {
        let asks = self.pending.iter().filter_map(|c| self.asks.get(c));
        asks.filter(|ask| ask.times >= times && !ask.refused())
            .count()
    }

    /// Notes that some message arrived.
    pub fn on_any_message(&mut self) {
        if let Some(probe) = &self.probe
            && matches!(probe.proof, Proof::Anything)
        {
            self.probe = None;
        }
    }

    /// The channel that an ID names, if it was asked for.
    pub fn channel(&self, id: &ChannelId) -> Option<Arc<Channel>> {
        if let Some(channel) = self.by_id.get(id) {
            return Some(channel.clone());
        }
        // A spelling other than ours.
        let (organization, channel) = id.decode().ok()?;
        if organization != self.organization {
            return None;
        }
        self.asks
            .get_key_value(&channel)
            .map(|(known, _)| known.clone())
    }

    /// Instant at which the next unconfirmed request is to be repeated.
    pub fn next_due(&self) -> Option<Instant> {
        self.pending
            .iter()
            .filter_map(|channel| self.asks.get(channel))
            .map(|ask| ask.due(self.ask_again))
            .chain(self.rest_due)
            .min()
    }

    /// Notes that all unconfirmed requests that are due are repeated now, and returns their
    /// channels and the IDs to send; those of the unconfirmed spellings of confirmed channels too.
    pub fn repeat_due(&mut self, now: Moment) -> (Vec<Arc<Channel>>, Vec<ChannelId>) {
        let mut channels = Vec::new();
        let mut ids = Vec::new();
        for channel in &self.pending {
            if let Some(ask) = self.asks.get_mut(channel)
                && ask.due(self.ask_again) <= Instant::from_std(now.at)
            {
                ids.extend(ask.send(now));
                channels.push(channel.clone());
            }
        }
        ids.extend(self.repeat_rest(now));
        (channels, ids)
    }

    fn repeat_rest(&mut self, now: Moment) -> Vec<ChannelId> {
        let at = Instant::from_std(now.at);
        let mut ids = Vec::new();
        if self.rest_due.is_none_or(|due| due > at) {
            return ids;
        }
        let mut next: Option<Instant> = None;
        for channel in &self.partial {
            let Some(ask) = self.asks.get_mut(channel) else {
                continue;
            };
            let asked_anyway = self.pending.contains(channel);
            if ask.rest_due <= at && ids.len() < REST_IDS && !asked_anyway {
                ids.extend(ask.send_rest(now, self.ask_again));
            }
            next = Some(next.map_or(ask.rest_due, |next| next.min(ask.rest_due)));
        }
        // However many are due: one round at a time.
        self.rest_due = next.map(|next| next.max(at + self.ask_again.0));
        ids
    }

    fn spell(&self, channel: &Channel) -> Vec<ChannelId> {
        let alphabets: &[Alphabet] = match self.spelling {
            ChannelIdSpelling::UrlSafe => &[Alphabet::UrlSafe],
            ChannelIdSpelling::Standard => &[Alphabet::Standard],
            ChannelIdSpelling::Both => &[Alphabet::UrlSafe, Alphabet::Standard],
        };
        ChannelId::spellings(&self.organization, channel, alphabets)
    }
}

#[cfg(test)]
mod tests;
