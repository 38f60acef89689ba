//! One channel as the server was asked for it.

use std::time::Duration;

use tokio::time::Instant;

use crate::router::Moment;
use expd_domain::ChannelId;

/// Bound on the wait before the unconfirmed spellings of a confirmed channel are asked for again,
/// in units of the longest wait for an unconfirmed channel.
const SLOWEST_REST: u32 = 10;

/// The requests for one channel.
#[derive(Debug)]
pub(super) struct Ask {
    /// Spellings of the channel's ID.
    pub spellings: Vec<Spelling>,
    pub asked_at: Instant,
    pub times: u32,
    /// Time of sending of the latest request that was answered.
    pub verified_at: Option<Moment>,
    /// Instant of the confirmation that ended the latest unconfirmed period.
    pub confirmed_at: Option<Instant>,
    /// True if the latest request was for a channel that was confirmed already.
    pub reasked: bool,
    pub in_probe_queue: bool,
    pub standing: Standing,
    /// Instant from which the unconfirmed spellings of a confirmed channel are asked for again.
    pub rest_due: Instant,
    /// Number of those requests.
    rest_times: u32,
}

/// One spelling of a channel's ID.
#[derive(Debug)]
pub(super) struct Spelling {
    pub id: ChannelId,
    pub verdict: Verdict,
    /// Number of unanswered requests.
    pub outstanding: u32,
    /// Time of the oldest unanswered request.
    pub unanswered_since: Option<Moment>,
    /// True if a probe asked for it, and no answer has come since.
    pub probed: bool,
}

/// The server's latest answer for a spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// None since the latest request.
    None,
    Confirmed,
    Refused,
}

/// Demand for a channel, and the server's view of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Wanted,
    /// Wanted, but the server has refused all of its IDs.
    Refused,
    /// No longer wanted. Kept only while the answer to a probe or a fence is due.
    Abandoned,
}

impl Ask {
    /// A channel that was not asked for yet. `stale_since` is set if an answer to an earlier
    /// request for it may still come.
    pub fn new(ids: Vec<ChannelId>, now: Moment, stale_since: Option<Moment>) -> Self {
        let now = Instant::from_std(now.at);
        let spelling = |id| Spelling {
            id,
            verdict: Verdict::None,
            outstanding: 0,
            unanswered_since: stale_since,
            probed: false,
        };
        Self {
            spellings: ids.into_iter().map(spelling).collect(),
            asked_at: now,
            times: 0,
            verified_at: None,
            confirmed_at: None,
            reasked: false,
            in_probe_queue: false,
            standing: Standing::Wanted,
            rest_due: now,
            rest_times: 0,
        }
    }

    pub fn refused(&self) -> bool {
        self.standing == Standing::Refused
    }

    pub fn abandoned(&self) -> bool {
        self.standing == Standing::Abandoned
    }

    /// True if an answer may still come.
    pub fn is_unanswered(&self) -> bool {
        self.spellings.iter().any(|s| s.outstanding > 0)
    }

    /// The spellings that the server has confirmed.
    pub fn confirmed(&self) -> impl Iterator<Item = &Spelling> {
        self.spellings
            .iter()
            .filter(|s| s.verdict == Verdict::Confirmed)
    }

    /// True if a spelling is not confirmed.
    pub fn has_rest(&self) -> bool {
        self.spellings
            .iter()
            .any(|s| s.verdict != Verdict::Confirmed)
    }

    /// Notes a request for the channel, and returns the IDs to send: all of them, or the confirmed
    /// ones where some are.
    pub fn send(&mut self, now: Moment) -> Vec<ChannelId> {
        self.asked_at = Instant::from_std(now.at);
        self.times = self.times.saturating_add(1);
        let some = self.times == 1 && self.confirmed().next().is_some();
        self.send_those(now, |s| !some || s.verdict == Verdict::Confirmed)
    }

    /// Notes a request for the unconfirmed spellings, and returns them.
    pub fn send_rest(
        &mut self,
        now: Moment,
        (first, slowest): (Duration, Duration),
    ) -> Vec<ChannelId> {
        self.rest_times = self.rest_times.saturating_add(1);
        self.put_off_rest(now, (first, slowest));
        self.send_those(now, |s| s.verdict != Verdict::Confirmed)
    }

    /// Schedules the next request for the unconfirmed spellings.
    pub fn put_off_rest(&mut self, now: Moment, (first, slowest): (Duration, Duration)) {
        let wait = first.saturating_mul(1 << self.rest_times.min(10));
        let wait = wait.min(slowest.saturating_mul(SLOWEST_REST));
        self.rest_due = Instant::from_std(now.at) + wait;
    }

    /// Notes a probe, and returns the IDs to send: the confirmed ones. Those that did not answer
    /// the last probe while others did are no longer confirmed.
    pub fn probe(&mut self, now: Moment) -> Vec<ChannelId> {
        if self.confirmed().any(|s| !s.probed) {
            let lost = |s: &&mut Spelling| s.probed && s.verdict == Verdict::Confirmed;
            for spelling in self.spellings.iter_mut().filter(lost) {
                spelling.verdict = Verdict::None;
            }
        }
        let some = self.confirmed().next().is_some();
        let probed = |s: &Spelling| !some || s.verdict == Verdict::Confirmed;
        for spelling in &mut self.spellings {
            spelling.probed = probed(spelling);
        }
        self.send_those(now, probed)
    }

    /// Starts a fence. Returns a confirmed ID to request, and whether no other request for it is
    /// pending.
    pub fn fence(&mut self, now: Moment) -> Option<(ChannelId, bool)> {
        let clean = self.confirmed().find(|s| s.outstanding == 0);
        let chosen = clean.or_else(|| self.confirmed().next());
        let chosen = chosen.or_else(|| self.spellings.first())?;
        let (id, clean) = (chosen.id.clone(), chosen.outstanding == 0);
        self.send_those(now, |s| s.id == id);
        Some((id, clean))
    }

    /// Records an answer for an ID: for its spelling, or for all of them if it is none that was
    /// asked for. Returns the time of the answered request, and true if no other answer for that ID
    /// is due.
    pub fn on_answer(&mut self, id: &ChannelId, verdict: Verdict) -> (Option<Moment>, bool) {
        if let Some(spelling) = self.spellings.iter_mut().find(|s| s.id == *id) {
            let since = spelling.on_answer(verdict);
            return (since, spelling.outstanding == 0);
        }
        if verdict == Verdict::Refused {
            // One refusal for each ID.
            let open = |s: &&mut Spelling| s.verdict != Verdict::Refused;
            let spelling = self.spellings.iter_mut().find(open);
            return (spelling.and_then(|s| s.on_answer(verdict)), true);
        }
        // A server that answers in its own spelling knows that all of them mean one channel.
        let mut oldest: Option<Moment> = None;
        for spelling in &mut self.spellings {
            spelling.outstanding = 0;
            if let Some(since) = spelling.on_answer(verdict) {
                let older = |before: Moment| if before.at < since.at { before } else { since };
                oldest = Some(oldest.map_or(since, older));
            }
        }
        (oldest, true)
    }

    /// Notes that the server has forgotten the channel.
    pub fn forget_answers(&mut self) {
        for spelling in &mut self.spellings {
            spelling.verdict = Verdict::None;
            spelling.probed = false;
        }
    }

    pub fn due(&self, (first, slowest): (Duration, Duration)) -> Instant {
        let doublings = self.times.saturating_sub(1).min(8);
        self.asked_at + first.saturating_mul(1 << doublings).min(slowest)
    }

    fn send_those(&mut self, now: Moment, which: impl Fn(&Spelling) -> bool) -> Vec<ChannelId> {
        let chosen = self.spellings.iter_mut().filter(|s| which(s));
        chosen.map(|spelling| spelling.send(now)).collect()
    }
}

impl Spelling {
    fn send(&mut self, now: Moment) -> ChannelId {
        self.unanswered_since.get_or_insert(now);
        self.outstanding = self.outstanding.saturating_add(1);
        if self.verdict == Verdict::Refused {
            self.verdict = Verdict::None;
        }
        self.id.clone()
    }

    fn on_answer(&mut self, verdict: Verdict) -> Option<Moment> {
        self.outstanding = self.outstanding.saturating_sub(1);
        self.verdict = verdict;
        self.probed = false;
        self.unanswered_since.take()
    }
}
