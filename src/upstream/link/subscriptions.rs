//! What one connection was asked to subscribe, and what of it the server confirmed.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::ChannelIdSpelling;
use crate::exp::{Alphabet, Channel, ChannelId};
use crate::router::Moment;

/// How many confirmed channels one probe asks for again, at most. The vendor's network tells nobody when it forgets a
/// subscription, so all are asked for again by and by.
const PROBE_CHANNELS: usize = 500;

/// The subscriptions of one connection.
#[derive(Debug)]
pub(super) struct Subscriptions {
    organization: String,
    spelling: ChannelIdSpelling,
    /// When an ask is repeated first, and how rarely at last.
    ask_again: (Duration, Duration),
    /// Bounded by the channels that were wanted while this connection lived; the link replaces a connection that has gathered
    /// many more than are wanted.
    asks: HashMap<Arc<Channel>, Ask>,
    /// The spellings that were asked for, so that an arriving broadcast need not be decoded to find its channel.
    by_id: HashMap<ChannelId, Arc<Channel>>,
    /// Asked and not confirmed.
    pending: HashSet<Arc<Channel>>,
    /// Confirmed, the longest unprobed first. May hold channels that are pending again; those are passed over.
    rounds: VecDeque<Arc<Channel>>,
    probe: Option<Probe>,
    mark: Option<Mark>,
    /// Everything that the server sent before this moment has arrived: when the latest ask was sent that was answered.
    proved: Moment,
}

#[derive(Debug)]
struct Ask {
    ids: Vec<ChannelId>,
    asked_at: Instant,
    times: u32,
    /// When the oldest ask was sent that was not answered.
    unanswered_since: Option<Moment>,
    /// IDs that were sent and have not come back in a confirmation.
    outstanding: usize,
    /// When the latest ask was sent that was answered.
    good_at: Option<Moment>,
    /// When it was last confirmed after it was not.
    confirmed_at: Option<Instant>,
    /// Whether it was confirmed when it was last asked for.
    anew: bool,
    in_rounds: bool,
}

/// Channels that were asked for again to prove that they are still delivered.
#[derive(Debug)]
struct Probe {
    sent: Instant,
    /// What proves the connection alive.
    proof: Proof,
    /// Asked, and not confirmed again.
    left: HashSet<Arc<Channel>>,
}

#[derive(Debug)]
enum Proof {
    /// The confirmation of any of the probe's channels: the server may have forgotten the others.
    Confirmed,
    /// Anything: nothing is confirmed, so the answer may as well be a refusal.
    Anything,
    /// It has come.
    Given,
}

#[derive(Debug)]
struct Mark {
    channel: Arc<Channel>,
    sent: Instant,
    /// Whether nothing else was on its way for this channel, so that the answer cannot be to an older question.
    clean: bool,
    answered: bool,
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
            by_id: HashMap::new(),
            pending: HashSet::new(),
            rounds: VecDeque::new(),
            probe: None,
            mark: None,
            proved: Moment::now(),
        }
    }

    /// How many channels were asked for.
    pub fn len(&self) -> usize {
        self.asks.len()
    }

    /// Everything that was asked for.
    pub fn all(&self) -> Vec<Arc<Channel>> {
        self.asks.keys().cloned().collect()
    }

    /// Since when a channel is heard here.
    pub fn confirmed_at(&self, channel: &Arc<Channel>) -> Option<Instant> {
        self.asks.get(channel)?.confirmed_at
    }

    /// What is confirmed.
    pub fn confirmed_ones(&self) -> Vec<Arc<Channel>> {
        let confirmed = self.asks.keys().filter(|c| !self.pending.contains(*c));
        confirmed.cloned().collect()
    }

    /// Everything that the server sent before this moment has arrived.
    pub fn proved(&self) -> Moment {
        self.proved
    }

    /// Whether everything that `other` has confirmed is confirmed here.
    pub fn covers(&self, other: &Self) -> bool {
        other
            .asks
            .keys()
            .all(|c| !other.confirmed(c) || self.confirmed(c))
    }

    /// What `other` was asked for and is not confirmed here.
    pub fn lacking(&self, other: &Self) -> Vec<Arc<Channel>> {
        let lacking = other.asks.keys().filter(|c| !self.confirmed(c));
        lacking.cloned().collect()
    }

    fn confirmed(&self, channel: &Arc<Channel>) -> bool {
        self.asks.contains_key(channel) && !self.pending.contains(channel)
    }

    /// Notes that these are asked for now, as far as they are not pending already, and returns the IDs to send.
    pub fn ask(&mut self, channels: &[Arc<Channel>], now: Moment) -> Vec<ChannelId> {
        let mut ids = Vec::new();
        for channel in channels {
            if self.pending.contains(channel) {
                continue;
            }
            let spelled = match self.asks.get(channel) {
                Some(ask) => ask.ids.clone(),
                None => self.spell(channel),
            };
            let ask = self.asks.entry(channel.clone()).or_insert_with(|| Ask {
                ids: spelled.clone(),
                asked_at: Instant::from_std(now.at),
                times: 0,
                unanswered_since: None,
                outstanding: 0,
                good_at: None,
                confirmed_at: None,
                anew: false,
                in_rounds: false,
            });
            ask.anew = ask.confirmed_at.is_some();
            ask.send(now);
            ask.times = 1;
            for id in &spelled {
                self.by_id.insert(id.clone(), channel.clone());
            }
            ids.extend(spelled);
            self.pending.insert(channel.clone());
        }
        ids
    }

    /// Takes the server's confirmation and returns the channels it speaks of. One spelling confirms its channel.
    pub fn confirm(&mut self, ids: &[ChannelId]) -> Vec<Arc<Channel>> {
        let mut confirmed = Vec::new();
        for id in ids {
            let Some(channel) = self.channel(id) else {
                continue;
            };
            let Some(ask) = self.asks.get_mut(&channel) else {
                continue;
            };
            ask.outstanding = ask.outstanding.saturating_sub(1);
            if let Some(since) = ask.unanswered_since.take() {
                ask.good_at = Some(since);
                self.proved = self.proved.max(since);
            }
            let all_back = ask.outstanding == 0;
            if self.pending.remove(&channel) {
                // One that was asked for anew was heard all the time.
                if !ask.anew {
                    ask.confirmed_at = Some(Instant::now());
                }
                if !ask.in_rounds {
                    ask.in_rounds = true;
                    self.rounds.push_back(channel.clone());
                }
            }
            if let Some(probe) = &mut self.probe {
                if probe.left.remove(&channel) && matches!(probe.proof, Proof::Confirmed) {
                    probe.proof = Proof::Given;
                }
                if probe.left.is_empty() && matches!(probe.proof, Proof::Given) {
                    self.probe = None;
                }
            }
            if let Some(mark) = &mut self.mark
                && mark.channel == channel
                && (all_back || !mark.clean)
            {
                mark.answered = true;
            }
            if confirmed.last() != Some(&channel) {
                confirmed.push(channel);
            }
        }
        confirmed
    }

    /// Something came, whatever it was.
    pub fn heard(&mut self) {
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

    /// When an unconfirmed ask is to be repeated next.
    pub fn next_due(&self) -> Option<Instant> {
        self.pending
            .iter()
            .filter_map(|channel| self.asks.get(channel))
            .map(|ask| ask.due(self.ask_again))
            .min()
    }

    /// Notes that every unconfirmed ask that is due is repeated now, and returns the channels and the IDs to send.
    pub fn repeat_due(&mut self, now: Moment) -> (Vec<Arc<Channel>>, Vec<ChannelId>) {
        let mut channels = Vec::new();
        let mut ids = Vec::new();
        for channel in &self.pending {
            if let Some(ask) = self.asks.get_mut(channel)
                && ask.due(self.ask_again) <= Instant::from_std(now.at)
            {
                ask.send(now);
                ids.extend_from_slice(&ask.ids);
                channels.push(channel.clone());
            }
        }
        (channels, ids)
    }

    /// The IDs to ask for again, to prove that the connection still delivers. Where nothing is confirmed, what is pending
    /// serves, and any answer will do; empty when nothing was asked for at all.
    pub fn start_probe(&mut self, now: Moment) -> Vec<ChannelId> {
        let mut ids = Vec::new();
        let mut left = HashSet::new();
        for _ in 0..self.rounds.len() {
            if left.len() == PROBE_CHANNELS {
                break;
            }
            let Some(channel) = self.rounds.pop_front() else {
                break;
            };
            self.rounds.push_back(channel.clone());
            if self.pending.contains(&channel) {
                continue;
            }
            if let Some(ask) = self.asks.get_mut(&channel) {
                ask.send(now);
                ids.extend_from_slice(&ask.ids);
                left.insert(channel);
            }
        }
        let proof = if left.is_empty() {
            let pending = self.pending.iter().next();
            if let Some(ask) = pending.and_then(|channel| self.asks.get_mut(channel)) {
                ids.extend_from_slice(&ask.ids);
                ask.outstanding += ask.ids.len();
            }
            Proof::Anything
        } else {
            Proof::Confirmed
        };
        let sent = Instant::from_std(now.at);
        self.probe = (!ids.is_empty()).then_some(Probe { sent, proof, left });
        ids
    }

    /// Starts a mark: see [`Connection::mark`](super::connection::Connection::mark). Returns the IDs to send, of a channel
    /// for which no other question is open, where there is one.
    pub fn start_mark(&mut self, now: Moment) -> Vec<ChannelId> {
        let confirmed = || self.rounds.iter().filter(|c| !self.pending.contains(*c));
        let clean = confirmed().find(|c| self.asks.get(*c).is_some_and(|ask| ask.outstanding == 0));
        let Some(channel) = clean.or_else(|| confirmed().next()).cloned() else {
            self.mark = None;
            return Vec::new();
        };
        let Some(ask) = self.asks.get_mut(&channel) else {
            return Vec::new();
        };
        self.mark = Some(Mark {
            channel,
            sent: Instant::from_std(now.at),
            clean: ask.outstanding == 0,
            answered: false,
        });
        ask.send(now);
        ask.ids.clone()
    }

    /// Whether the mark was answered.
    pub fn mark_answered(&self) -> bool {
        self.mark.as_ref().is_some_and(|mark| mark.answered)
    }

    /// When the next answer to a probe or a mark is overdue, if it may take so long.
    pub fn answer_due(&self, answer: Duration) -> Option<Instant> {
        let probe = self.probe.as_ref().map(|probe| probe.sent);
        let mark = self.mark.as_ref().filter(|mark| !mark.answered);
        let mark = mark.map(|mark| mark.sent);
        let sent = [probe, mark].into_iter().flatten().min();
        sent.map(|sent| sent + answer)
    }

    /// Whether what had to be answered when it was sent at `since` or before was not: the connection is dead.
    pub fn unanswered(&self, since: Instant) -> bool {
        let mark = self.mark.as_ref();
        let probe = self.probe.as_ref();
        mark.is_some_and(|mark| !mark.answered && mark.sent <= since)
            || probe
                .is_some_and(|probe| !matches!(probe.proof, Proof::Given) && probe.sent <= since)
    }

    /// Forgets what was not answered.
    pub fn forgive(&mut self) {
        self.probe = None;
        if let Some(mark) = &mut self.mark {
            mark.sent = Instant::now();
        }
    }

    /// What a probe asked for at `since` or before and the server has not confirmed again is pending from now on. Returns it, with the
    /// time until which each was good.
    pub fn demote_unproved(&mut self, since: Instant) -> Vec<(Arc<Channel>, Moment)> {
        let Some(probe) = self.probe.take_if(|probe| probe.sent <= since) else {
            return Vec::new();
        };
        let mut lost = Vec::new();
        for channel in probe.left {
            let Some(ask) = self.asks.get_mut(&channel) else {
                continue;
            };
            if self.pending.insert(channel.clone()) {
                ask.times = 1;
                ask.anew = false;
                let good_at = ask.good_at.unwrap_or(self.proved);
                lost.push((channel, good_at));
            }
        }
        lost
    }

    fn spell(&self, channel: &Channel) -> Vec<ChannelId> {
        let encode = |alphabet| ChannelId::encode(&self.organization, channel, alphabet);
        match self.spelling {
            ChannelIdSpelling::UrlSafe => vec![encode(Alphabet::UrlSafe)],
            ChannelIdSpelling::Standard => vec![encode(Alphabet::Standard)],
            ChannelIdSpelling::Both => {
                let mut ids = vec![encode(Alphabet::UrlSafe), encode(Alphabet::Standard)];
                ids.dedup();
                ids
            }
        }
    }
}

impl Ask {
    fn send(&mut self, now: Moment) {
        self.asked_at = Instant::from_std(now.at);
        self.times = self.times.saturating_add(1);
        self.unanswered_since.get_or_insert(now);
        self.outstanding += self.ids.len();
    }

    fn due(&self, (first, slowest): (Duration, Duration)) -> Instant {
        let doublings = self.times.saturating_sub(1).min(8);
        self.asked_at + first.saturating_mul(1 << doublings).min(slowest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channels(names: &[&str]) -> Vec<Arc<Channel>> {
        names.iter().map(|n| Arc::new(Channel::new(*n))).collect()
    }

    fn subscriptions() -> Subscriptions {
        let ask_again = (Duration::from_secs(5), Duration::from_secs(60));
        Subscriptions::new("o".to_owned(), ChannelIdSpelling::Both, ask_again)
    }

    fn after(now: Moment, wait: Duration) -> Moment {
        Moment {
            at: now.at + wait,
            wall: now.wall + wait,
        }
    }

    #[test]
    fn a_channel_is_asked_once_in_every_spelling_that_differs() {
        let mut s = subscriptions();
        let now = Moment::now();
        assert_eq!(s.ask(&channels(&["a"]), now).len(), 1);
        assert_eq!(s.ask(&channels(&["a"]), now).len(), 0);
        // `~` right after `["o","` falls on a sextet that the alphabets spell differently.
        let differing = channels(&["???>>>~~~"]);
        assert_eq!(s.ask(&differing, now).len(), 2);
    }

    #[test]
    fn a_confirmed_channel_that_is_wanted_anew_is_asked_anew() {
        let mut s = subscriptions();
        let ids = s.ask(&channels(&["a"]), Moment::now());
        s.confirm(&ids);
        assert_eq!(s.ask(&channels(&["a"]), Moment::now()), ids);
        assert_eq!(s.confirm(&ids).len(), 1);
        assert_eq!(s.start_probe(Moment::now()).len(), 1);
    }

    #[test]
    fn what_is_not_confirmed_is_asked_again_ever_more_rarely_and_for_ever() {
        let mut s = subscriptions();
        let mut now = Moment::now();
        let ids = s.ask(&channels(&["a", "b"]), now);
        assert_eq!(s.confirm(&ids[..1]).len(), 1);
        let mut waits = Vec::new();
        for _ in 0..8 {
            let wait = s.next_due().unwrap().into_std() - now.at;
            waits.push(wait.as_secs());
            now = after(now, wait);
            let (again, _) = s.repeat_due(now);
            assert_eq!(again.len(), 1);
        }
        assert_eq!(waits, [5, 10, 20, 40, 60, 60, 60, 60]);
        s.confirm(&ids);
        assert!(s.pending.is_empty() && s.next_due().is_none());
    }

    #[test]
    fn every_spelling_confirms_and_a_stranger_confirms_nothing() {
        let mut s = subscriptions();
        s.ask(&channels(&["caf\u{e9}"]), Moment::now());
        let foreign = ChannelId::encode("p", &Channel::new("caf\u{e9}"), Alphabet::UrlSafe);
        assert!(s.confirm(&[foreign]).is_empty());
        let escaped = base64::Engine::encode(
            &base64::engine::general_purpose::STANDARD,
            r#"["o","caf\u00e9",0,0]"#,
        );
        assert_eq!(s.confirm(&[ChannelId::from_wire(escaped)]).len(), 1);
        assert!(s.pending.is_empty());
    }

    #[test]
    fn a_probe_is_answered_in_any_spelling() {
        let mut s = subscriptions();
        let now = Moment::now();
        assert!(s.start_probe(now).is_empty() && !s.unanswered(Instant::now()));
        let ids = s.ask(&channels(&["???>>>~~~"]), now);
        assert_eq!(ids.len(), 2);
        // The server takes the second spelling alone.
        s.confirm(&ids[1..]);
        assert_eq!(s.start_probe(now), ids);
        assert!(s.unanswered(Instant::now()));
        s.confirm(&ids[1..]);
        assert!(!s.unanswered(Instant::now()));
    }

    #[test]
    fn a_channel_that_a_probe_does_not_confirm_is_pending_again() {
        let mut s = subscriptions();
        let start = Moment::now();
        let ids = s.ask(&channels(&["a", "b"]), start);
        s.confirm(&ids);
        let later = after(start, Duration::from_secs(20));
        let probe = s.start_probe(later);
        assert_eq!(probe.len(), 2);
        let answer: Vec<_> = probe
            .iter()
            .filter(|id| s.channel(id).is_some_and(|channel| channel.name == "b"))
            .cloned()
            .collect();
        s.confirm(&answer);
        assert!(!s.unanswered(Instant::now()));
        assert_eq!(s.proved().wall, later.wall);
        let lost = s.demote_unproved(Instant::now() + Duration::from_secs(30));
        assert_eq!(lost.len(), 1);
        assert_eq!(lost[0].1.wall, start.wall);
        assert!(s.next_due().is_some());
    }

    #[test]
    fn what_is_proved_goes_on_after_the_clock_was_set_back() {
        let mut s = subscriptions();
        let start = Moment::now();
        let ids = s.ask(&channels(&["a"]), start);
        s.confirm(&ids);
        let mut later = after(start, Duration::from_secs(20));
        later.wall -= Duration::from_secs(86_400);
        let probe = s.start_probe(later);
        s.confirm(&probe);
        assert_eq!(s.proved().at, later.at);
    }

    #[test]
    fn one_channel_that_the_server_forgot_does_not_cost_the_connection() {
        for forgotten in ["a", "b", "c"].repeat(5) {
            let mut s = subscriptions();
            let start = Moment::now();
            let ids = s.ask(&channels(&["a", "b", "c"]), start);
            s.confirm(&ids);
            let probe = s.start_probe(after(start, Duration::from_secs(20)));
            let answer: Vec<_> = probe
                .iter()
                .filter(|id| s.channel(id).is_some_and(|c| c.name != forgotten))
                .cloned()
                .collect();
            s.confirm(&answer);
            let due = Instant::now() + Duration::from_secs(30);
            assert!(!s.unanswered(due), "{forgotten}");
            let lost = s.demote_unproved(due);
            assert_eq!(lost.len(), 1);
            assert_eq!(lost[0].0.name, forgotten);
        }
    }

    #[test]
    fn where_nothing_is_confirmed_anything_proves_the_connection_alive() {
        let mut s = subscriptions();
        s.ask(&channels(&["a"]), Moment::now());
        assert_eq!(s.start_probe(Moment::now()).len(), 1);
        assert!(s.unanswered(Instant::now()));
        s.heard();
        assert!(!s.unanswered(Instant::now()));
    }

    #[test]
    fn a_mark_is_not_answered_by_the_answer_to_a_probe() {
        let mut s = subscriptions();
        let now = Moment::now();
        let ids = s.ask(&channels(&["a", "b"]), now);
        s.confirm(&ids);
        s.probe = None;
        s.asks.get_mut(&channels(&["a"])[0]).unwrap().send(now);
        let mark = s.start_mark(now);
        assert_eq!(mark, ids[1..]);
        s.confirm(&ids[..1]);
        assert!(!s.mark_answered());
        s.confirm(&mark);
        assert!(s.mark_answered());
    }
}
