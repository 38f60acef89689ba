//! Subscriptions of one connection: what was asked for, and what the server confirmed.

mod ask;
mod probe;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use ask::{Ask, Standing, Verdict};
use probe::{Fence, Probe, Proof};

use crate::config::ChannelIdSpelling;
use crate::router::Moment;
use expd_domain::{Alphabet, Channel, ChannelId};

/// Bound on the confirmed channels that one probe asks for again. The vendor's network does not
/// tell when it forgets a subscription, so every channel is probed in turn.
const PROBE_CHANNELS: usize = 500;

/// Bound on the unconfirmed spellings of confirmed channels that are asked for at once.
const REST_IDS: usize = 500;

/// Subscriptions of one connection.
#[derive(Debug)]
pub(super) struct Subscriptions {
    organization: String,
    spelling: ChannelIdSpelling,
    /// First and longest wait before an unconfirmed request is repeated.
    ask_again: (Duration, Duration),
    /// Bounded by the wanted channels: one that nobody wants any more is forgotten here, though the
    /// server keeps it.
    asks: HashMap<Arc<Channel>, Ask>,
    /// Number of channels that the server was asked for and nobody wants any more. The link
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
    /// rest is asked for again, ever more rarely.
    partial: HashSet<Arc<Channel>>,
    /// Instant at which some of them are due; not before it.
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

    /// Number of channels that the server was asked for and nobody wants any more. It keeps sending
    /// their broadcasts, and they count towards its limit on the channels of a socket.
    pub fn surplus(&self) -> usize {
        self.surplus
    }

    /// Number of wanted channels that the server refuses.
    pub fn refused(&self) -> usize {
        let asks = self.pending.iter().filter_map(|c| self.asks.get(c));
        asks.filter(|ask| ask.refused()).count()
    }

    /// True where a wanted channel is not confirmed.
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

    /// True where every wanted channel that `other` has confirmed is confirmed here.
    pub fn covers(&self, other: &Self) -> bool {
        let mut confirmed = other.wanted().filter(|(c, _)| !other.pending.contains(*c));
        confirmed.all(|(channel, _)| self.is_confirmed(channel))
    }

    /// As `covers`, for channels that `other` had confirmed before `moment`.
    pub fn covers_since(&self, other: &Self, moment: Instant) -> bool {
        let mut confirmed = other.wanted().filter(|(channel, ask)| {
            let before = ask.confirmed_at.is_some_and(|at| at <= moment);
            before && !other.pending.contains(*channel)
        });
        confirmed.all(|(channel, _)| self.is_confirmed(channel))
    }

    /// True where every spelling is confirmed here that `other` has confirmed of a wanted channel.
    pub fn covers_spellings(&self, other: &Self) -> bool {
        let mut confirmed = other.wanted().filter(|(c, _)| !other.pending.contains(*c));
        confirmed.all(|(channel, ask)| self.has_spellings(channel, ask))
    }

    /// Wanted channels that `other` was asked for and that are not confirmed here, or not in every
    /// spelling that it has confirmed.
    pub fn lacking(&self, other: &Self) -> Vec<Arc<Channel>> {
        let lacking = other.wanted().filter(|(channel, ask)| {
            !self.is_confirmed(channel)
                || !other.pending.contains(*channel) && !self.has_spellings(channel, ask)
        });
        lacking.map(|(channel, _)| channel.clone()).collect()
    }

    fn has_spellings(&self, channel: &Arc<Channel>, other: &Ask) -> bool {
        self.asks.get(channel).is_some_and(|ask| {
            let here = |id: &ChannelId| ask.confirmed().any(|spelling| spelling.id == *id);
            !ask.has_rest() || other.confirmed().all(|spelling| here(&spelling.id))
        })
    }

    fn is_confirmed(&self, channel: &Arc<Channel>) -> bool {
        let wanted = self.asks.get(channel).is_some_and(|ask| !ask.abandoned());
        wanted && !self.pending.contains(channel)
    }

    /// Forgets channels that nobody wants any more. They are not asked for again, and another
    /// connection need not have them.
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
                // A channel that was only asked for again was received all the time.
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
        // Another spelling than ours.
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

    /// Starts a probe, and returns the IDs to ask for again to prove that the connection still
    /// delivers. Where nothing is confirmed, a pending channel serves, and any message is proof;
    /// empty where nothing was asked for.
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

    /// Starts a fence, as [`Connection::fence`](super::connection::Connection::fence) describes it.
    /// Returns the IDs to send: one that is confirmed, since another one may never be answered; of
    /// a channel without other requests on their way where there is one.
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

    /// True where a probe or a fence sent at `since` or before was not answered: the connection is
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
