//! What one connection was asked to subscribe, and what of it the server confirmed.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::ChannelIdSpelling;
use crate::exp::{Alphabet, Channel, ChannelId};

/// When an ask that was not confirmed is repeated: after this, then twice as late each time, up to [`SLOWEST_ASK`].
const FIRST_ASK: Duration = Duration::from_secs(5);

/// No ask is given up; this is how rarely it is repeated at last.
const SLOWEST_ASK: Duration = Duration::from_secs(60);

/// How many confirmed channels one probe asks for again, at most. The vendor's network tells nobody when it forgets a
/// subscription, so all are asked for again by and by.
const PROBE_CHANNELS: usize = 500;

/// The subscriptions of one connection.
#[derive(Debug)]
pub(super) struct Subscriptions {
    organization: String,
    spelling: ChannelIdSpelling,
    /// Bounded by the channels that were wanted while this connection lived; the link replaces a connection that has gathered
    /// many more than are wanted.
    asks: HashMap<Arc<Channel>, Ask>,
    /// The spellings that were asked for, so that an arriving broadcast need not be decoded to find its channel.
    by_id: HashMap<ChannelId, Arc<Channel>>,
    /// Asked and not confirmed.
    pending: HashSet<Arc<Channel>>,
    /// Confirmed, the longest unprobed first.
    rounds: VecDeque<Arc<Channel>>,
    /// What the last probe asked for and when; none when it was answered.
    probe: Option<(ChannelId, Instant)>,
}

#[derive(Debug)]
struct Ask {
    ids: Vec<ChannelId>,
    asked_at: Instant,
    times: u32,
}

impl Subscriptions {
    pub fn new(organization: String, spelling: ChannelIdSpelling) -> Self {
        Self {
            organization,
            spelling,
            asks: HashMap::new(),
            by_id: HashMap::new(),
            pending: HashSet::new(),
            rounds: VecDeque::new(),
            probe: None,
        }
    }

    /// How many channels were asked for.
    pub fn len(&self) -> usize {
        self.asks.len()
    }

    /// Whether everything that `other` has confirmed is confirmed here, as far as it was asked for here.
    pub fn covers(&self, other: &Self) -> bool {
        self.pending.iter().all(|channel| !other.confirmed(channel))
    }

    fn confirmed(&self, channel: &Arc<Channel>) -> bool {
        self.asks.contains_key(channel) && !self.pending.contains(channel)
    }

    /// Notes that these are asked for now, as far as they were not before, and returns the IDs to send.
    pub fn ask(&mut self, channels: &[Arc<Channel>], now: Instant) -> Vec<ChannelId> {
        let mut ids = Vec::new();
        for channel in channels {
            if self.asks.contains_key(channel) {
                continue;
            }
            let spelled = self.spell(channel);
            for id in &spelled {
                self.by_id.insert(id.clone(), channel.clone());
            }
            ids.extend_from_slice(&spelled);
            let ask = Ask {
                ids: spelled,
                asked_at: now,
                times: 1,
            };
            self.asks.insert(channel.clone(), ask);
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
            if self.pending.remove(&channel) {
                self.rounds.push_back(channel.clone());
            }
            if self.probe.as_ref().is_some_and(|(probed, _)| probed == id) {
                self.probe = None;
            }
            if confirmed.last() != Some(&channel) {
                confirmed.push(channel);
            }
        }
        confirmed
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
            .map(Ask::due)
            .min()
    }

    /// Notes that every unconfirmed ask that is due is repeated now, and returns the channels and the IDs to send.
    pub fn repeat_due(&mut self, now: Instant) -> (Vec<Arc<Channel>>, Vec<ChannelId>) {
        let mut channels = Vec::new();
        let mut ids = Vec::new();
        for channel in &self.pending {
            if let Some(ask) = self.asks.get_mut(channel)
                && ask.due() <= now
            {
                ask.asked_at = now;
                ask.times = ask.times.saturating_add(1);
                ids.extend_from_slice(&ask.ids);
                channels.push(channel.clone());
            }
        }
        (channels, ids)
    }

    /// The IDs to ask for again, to prove that the connection still delivers. Empty when nothing is confirmed.
    pub fn start_probe(&mut self, now: Instant) -> Vec<ChannelId> {
        let count = self.rounds.len().min(PROBE_CHANNELS);
        let mut ids = Vec::new();
        for _ in 0..count {
            if let Some(channel) = self.rounds.pop_front() {
                if let Some(ask) = self.asks.get(&channel) {
                    ids.extend_from_slice(&ask.ids);
                }
                self.rounds.push_back(channel);
            }
        }
        // A server may take one spelling alone, but it has confirmed at least one of the first channel's.
        self.probe = ids.first().map(|id| (id.clone(), now));
        ids
    }

    /// When the unanswered probe was sent.
    pub fn probed_at(&self) -> Option<Instant> {
        self.probe.as_ref().map(|(_, at)| *at)
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
    fn due(&self) -> Instant {
        let doublings = self.times.saturating_sub(1).min(8);
        self.asked_at + FIRST_ASK.saturating_mul(1 << doublings).min(SLOWEST_ASK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channels(names: &[&str]) -> Vec<Arc<Channel>> {
        names.iter().map(|n| Arc::new(Channel::new(*n))).collect()
    }

    fn subscriptions() -> Subscriptions {
        Subscriptions::new("o".to_owned(), ChannelIdSpelling::Both)
    }

    #[test]
    fn a_channel_is_asked_once_in_every_spelling_that_differs() {
        let mut s = subscriptions();
        let now = Instant::now();
        assert_eq!(s.ask(&channels(&["a"]), now).len(), 1);
        assert_eq!(s.ask(&channels(&["a"]), now).len(), 0);
        // `~` right after `["o","` falls on a sextet that the alphabets spell differently.
        let differing = channels(&["???>>>~~~"]);
        assert_eq!(s.ask(&differing, now).len(), 2);
    }

    #[test]
    fn what_is_not_confirmed_is_asked_again_ever_more_rarely_and_for_ever() {
        let mut s = subscriptions();
        let mut now = Instant::now();
        let ids = s.ask(&channels(&["a", "b"]), now);
        assert_eq!(s.confirm(&ids[..1]).len(), 1);
        let mut waits = Vec::new();
        for _ in 0..8 {
            let due = s.next_due().unwrap();
            waits.push((due - now).as_secs());
            now = due;
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
        s.ask(&channels(&["caf\u{e9}"]), Instant::now());
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
    fn a_probe_is_answered_by_the_channel_it_asked_for() {
        let mut s = subscriptions();
        let now = Instant::now();
        assert!(s.start_probe(now).is_empty() && s.probed_at().is_none());
        let ids = s.ask(&channels(&["a", "b"]), now);
        s.confirm(&ids);
        let probe = s.start_probe(now);
        assert_eq!(probe.len(), 2);
        assert_eq!(s.probed_at(), Some(now));
        s.confirm(&probe[..1]);
        assert!(s.probed_at().is_none());
    }
}
