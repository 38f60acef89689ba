//! Form of a stream's events, by themselves and beside the troubles that were made: states that
//! alternate, gaps where they belong, with a reason that is true and a span that is not wider than
//! it must be.

use std::time::{Duration, SystemTime};

use expd_client::{Gap, GapReason, SubscriptionState};

use super::life::{CLOCK, Life, Said};

/// Time that a gap may begin before the connection was known to be lost: a connection is proved
/// alive every 20 s, the proof may take 10 s, and a busy machine a little.
const EARLY: Duration = Duration::from_secs(36);

/// A time in which the way to the network was disturbed, by intention.
#[derive(Clone, Copy, Debug)]
pub struct Trouble {
    pub from: SystemTime,
    pub to: SystemTime,
}

/// Request of the listener, and promises of its daemon.
#[derive(Clone, Debug)]
pub struct Rules {
    pub filtered: bool,
    pub max_age: Option<Duration>,
    /// Events that the log holds; `None` where it may be the bytes that bound it.
    pub log_events: Option<u64>,
    pub log_age: Duration,
    /// Longest time from the end of a trouble until all is well again.
    pub recovery: Duration,
    /// Time after the end of a trouble in which a confirmed channel may still be lost because of
    /// it.
    pub lingers: Duration,
}

/// Checks a listener's lives.
pub fn check_shape(lives: &[Life], rules: &Rules, troubles: &[Trouble]) -> Result<(), String> {
    let mut reader = Reader {
        rules,
        troubles,
        anchor: None,
        confirmed_once: false,
        offline: None,
        restarted: None,
    };
    for life in lives {
        reader.life(life)?;
    }
    Ok(())
}

struct Reader<'a> {
    rules: &'a Rules,
    troubles: &'a [Trouble],
    /// The latest moment of which the listener knows that all was well, or since when it was not.
    anchor: Option<SystemTime>,
    confirmed_once: bool,
    /// The outage that was told since the last change of state.
    offline: Option<Gap>,
    /// Up to when the latest gap between two logs tells of what may be missing.
    restarted: Option<SystemTime>,
}

impl Reader<'_> {
    fn life(&mut self, life: &Life) -> Result<(), String> {
        beginning(life)?;
        let mut told: Option<(SubscriptionState, SystemTime)> = None;
        let mut told_at = 0;
        let mut slow_gaps = 0;
        let mut sequence = 0;
        let mut last_broadcast = None;
        for (at, note) in life.notes.iter().enumerate() {
            if note.sequence < sequence {
                return Err(format!("the sequence fell from {sequence}: {note:?}"));
            }
            let position = sequence;
            sequence = note.sequence;
            match &note.said {
                Said::Subscription { state, since, .. } => {
                    if told.is_some_and(|(before, _)| before == *state) {
                        return Err(format!("the same state again: {note:?}"));
                    }
                    if *state == SubscriptionState::Pending && told.is_some() {
                        self.loss(*since)?;
                    }
                    let back = *state == SubscriptionState::Confirmed && told.is_some();
                    // The same moment, read on the wall clock and counted back from a later one.
                    let restarted = self.restarted.is_some_and(|to| to + CLOCK >= *since);
                    let covered = self.offline.is_some() || restarted;
                    if back && self.confirmed_once && !covered {
                        return Err(format!("back without a gap: {note:?}"));
                    }
                    if let Some(gap) = &self.offline
                        && back
                        && gap.to.is_none_or(|to| to.0 > *since + CLOCK)
                    {
                        return Err(format!("{gap:?} ends after {note:?}"));
                    }
                    self.confirmed_once |= *state == SubscriptionState::Confirmed;
                    // A stream that resumes says first what may have been told before.
                    let again = at == 0 && life.resume.is_some();
                    if !again || *state == SubscriptionState::Confirmed {
                        self.offline = None;
                    }
                    (told, told_at) = (Some((*state, *since)), note.sequence);
                    // It may be later than its position, too.
                    if !again {
                        self.anchor = self.anchor.max(Some(*since));
                    }
                }
                Said::Broadcast { received, .. } => {
                    if at > 0 && note.sequence == position {
                        return Err(format!("a position twice: {note:?}"));
                    }
                    last_broadcast = Some((note.sequence, *received));
                    self.anchor = self.anchor.max(Some(*received));
                }
                Said::Gap(gap) => match gap.reason {
                    GapReason::Restarted => {
                        if at != 1 || gap.from.is_some() || gap.missed.is_some() {
                            return Err(format!("out of place: {note:?}"));
                        }
                        self.restarted = gap.to.map(|to| to.0);
                        // Nothing is known of what lies between the logs.
                        self.anchor = None;
                    }
                    GapReason::Offline => {
                        // A channel that is wanted anew has a first confirmation to wait for,
                        // without any trouble.
                        let begins = told.filter(|_| at <= 2).map(|(_, since)| since);
                        let anew = begins == gap.from.map(|from| from.0);
                        // The outage of that very loss, where nothing was passed over between the
                        // two.
                        let known = told.filter(|_| note.sequence == told_at + 1);
                        let new_log = self.restarted >= gap.from.map(|from| from.0);
                        self.outage(gap, known, anew || new_log)?;
                        self.offline = Some(gap.clone());
                    }
                    GapReason::Overflow | GapReason::Expired => {
                        slow_gaps += 1;
                        // Of a position that has left the log long ago, not everything is
                        // remembered.
                        let known = life.resume.is_none() || slow_gaps > 1;
                        if known && gap.missed.is_none() {
                            return Err(format!("no count: {note:?}"));
                        }
                        let before = last_broadcast.filter(|(s, _)| *s == position);
                        self.slowness(gap, note.at, before.map(|(_, received)| received))?;
                        if gap.reason == GapReason::Overflow {
                            self.overflow(life, at, position)?;
                        }
                    }
                    GapReason::Unknown => {
                        return Err(format!("a reason that no daemon has: {note:?}"));
                    }
                },
            }
        }
        Ok(())
    }

    /// A channel is not lost without a cause.
    fn loss(&self, since: SystemTime) -> Result<(), String> {
        let lingers = self.rules.lingers;
        let mut causes = self.troubles.iter();
        if causes.any(|cause| cause.from <= since + CLOCK && since <= cause.to + lingers) {
            return Ok(());
        }
        Err(format!("lost at {since:?} without a cause"))
    }

    fn outage(
        &self,
        gap: &Gap,
        told: Option<(SubscriptionState, SystemTime)>,
        without_cause: bool,
    ) -> Result<(), String> {
        let (Some(from), Some(to)) = (gap.from, gap.to) else {
            return Err(format!("without a span: {gap:?}"));
        };
        let (from, to) = (from.0, to.0);
        if from > to || gap.missed.is_some() {
            return Err(format!("it makes no sense: {gap:?}"));
        }
        if let Some((SubscriptionState::Pending, since)) = told
            && (from > since + CLOCK || to + CLOCK < since)
        {
            return Err(format!("{gap:?} does not span the loss at {since:?}"));
        }
        if let Some(anchor) = self.anchor
            && from + EARLY < anchor
        {
            return Err(format!("{gap:?} is too wide: all was well at {anchor:?}"));
        }
        let cause = self.troubles.iter().any(|trouble| {
            trouble.from <= to + CLOCK
                && from <= trouble.to + self.rules.recovery
                && trouble.from <= from + EARLY
        });
        if !cause && !without_cause {
            return Err(format!("{gap:?} has no cause"));
        }
        Ok(())
    }

    fn slowness(
        &self,
        gap: &Gap,
        at: SystemTime,
        before: Option<SystemTime>,
    ) -> Result<(), String> {
        let Some(to) = gap.to else {
            return Err(format!("without an end: {gap:?}"));
        };
        if gap.from.is_some_and(|from| from > to) {
            // Broadcasts that a new connection held back while it took over are older than what
            // came before them.
            let backwards = gap.from.map(|from| from.0.duration_since(to.0));
            if backwards.is_some_and(|by| by.is_ok_and(|by| by > Duration::from_secs(15))) {
                return Err(format!("backwards: {gap:?}"));
            }
        }
        if let (Some(before), Some(from), false) = (before, gap.from, self.rules.filtered)
            && from.0 > before + CLOCK
            && self.rules.max_age.is_none()
        {
            return Err(format!(
                "{gap:?} begins after what it follows, of {before:?}"
            ));
        }
        if gap.reason == GapReason::Expired {
            let oldest = self.rules.max_age.unwrap_or(self.rules.log_age);
            if to.0 + oldest.min(self.rules.log_age) > at + CLOCK {
                return Err(format!("heard at {at:?}, not yet too old: {gap:?}"));
            }
        }
        Ok(())
    }

    /// A log that overflows holds as many events as it may: the listener was that far behind.
    fn overflow(&self, life: &Life, at: usize, position: u64) -> Result<(), String> {
        let Some(log_events) = self.rules.log_events else {
            return Ok(());
        };
        let told = &life.notes[at];
        let later = life.notes[at..].iter().find(
            |note| matches!(&note.said, Said::Broadcast { received, .. } if *received > told.at),
        );
        match later {
            Some(later) if later.sequence <= position + 1 + log_events => Err(format!(
                "it was at {position}, the log holds {log_events}, and {later:?} was not there yet when it was told {told:?}"
            )),
            _ => Ok(()),
        }
    }
}

/// A stream says first how the channel stands; one that goes on elsewhere than asked says so next.
fn beginning(life: &Life) -> Result<(), String> {
    let Some(first) = life.notes.first() else {
        return Ok(());
    };
    let Said::Subscription { log_id, .. } = &first.said else {
        return Err(format!("it begins with {first:?}"));
    };
    let Some(resume) = &life.resume else {
        return Ok(());
    };
    let restarted = life
        .notes
        .get(1)
        .map(|second| matches!(&second.said, Said::Gap(gap) if gap.reason == GapReason::Restarted));
    if resume.log_id == *log_id {
        if first.sequence != resume.after || restarted == Some(true) {
            return Err(format!(
                "{resume:?} was not resumed: {:?}",
                &life.notes[..2]
            ));
        }
    } else if restarted == Some(false) {
        return Err(format!(
            "{resume:?} is gone, which was not told: {:?}",
            life.notes[1]
        ));
    }
    Ok(())
}
