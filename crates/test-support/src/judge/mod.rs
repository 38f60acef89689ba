//! Holds what a listener heard against what the network was sent. `docs/model.md` says what is
//! promised and so checked.

mod life;
mod shape;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use expd_client::{Gap, SubscriptionState};
use expd_domain::Channel;

use crate::network::{Outcome, Sender};
use life::{CLOCK, is_slow};

pub use life::{Life, Logs, Note, Said};
pub use shape::{Rules, Trouble, check_shape};

/// One broadcast, as its sender knows it.
#[derive(Clone, Debug)]
pub struct Sent {
    pub number: u64,
    pub name: String,
    pub before: SystemTime,
    pub after: SystemTime,
    pub outcome: Outcome,
}

/// Everything that was sent on one channel, in order; a sender alone writes it.
#[derive(Clone, Default)]
pub struct Book(Arc<Mutex<Vec<Sent>>>);

impl Book {
    /// Sends the next number and writes down what became of it.
    pub async fn send(&self, sender: &Sender, channel: &Channel, name: &str) -> (u64, Outcome) {
        self.send_padded(sender, channel, name, 0).await
    }

    /// The same with so many letters beside the number.
    pub async fn send_padded(
        &self,
        sender: &Sender,
        channel: &Channel,
        name: &str,
        pad: usize,
    ) -> (u64, Outcome) {
        let before = SystemTime::now();
        // It may be heard before its sender has an answer.
        let number = {
            let mut sent = self.0.lock().unwrap();
            let number = sent.len() as u64;
            sent.push(Sent {
                number,
                name: name.to_owned(),
                before,
                after: before + Duration::from_secs(3600),
                outcome: Outcome::Unknown,
            });
            number
        };
        let payload = if pad > 0 {
            format!(r#"[{number},"{}"]"#, "x".repeat(pad))
        } else {
            number.to_string()
        };
        let outcome = sender.send_json(channel, name, &payload).await;
        let last = &mut self.0.lock().unwrap()[usize::try_from(number).unwrap()];
        last.outcome = outcome;
        last.after = SystemTime::now();
        (number, outcome)
    }

    pub fn sent(&self) -> Vec<Sent> {
        self.0.lock().unwrap().clone()
    }
}

/// Totals of a listener's streams.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    pub delivered: usize,
    pub missed: usize,
    pub gaps: BTreeMap<String, usize>,
}

impl Sum {
    pub fn add(&mut self, other: Self) {
        self.delivered += other.delivered;
        self.missed += other.missed;
        for (reason, count) in other.gaps {
            *self.gaps.entry(reason).or_default() += count;
        }
    }
}

/// Checks order, duplicates, and that everything not delivered was told. `name` is the listener's
/// filter. Where there is an `until`, the stream is confirmed and nothing is on its way, and
/// everything sent until then is accounted for.
pub fn judge(
    name: Option<&str>,
    lives: &[Life],
    sent: &[Sent],
    until: Option<SystemTime>,
) -> Result<Sum, String> {
    let mut sum = Sum::default();
    let mut sent = sent
        .iter()
        .filter(|s| name.is_none_or(|name| name == s.name))
        .peekable();
    // Before this nothing was promised.
    let mut promised: Option<SystemTime> = None;
    let mut gaps: Vec<&Gap> = Vec::new();
    for note in lives.iter().flat_map(|life| &life.notes) {
        match &note.said {
            Said::Subscription { state, since, .. } => {
                if *state == SubscriptionState::Confirmed && promised.is_none() {
                    promised = Some((*since).max(first(lives)));
                }
            }
            Said::Gap(gap) => {
                *sum.gaps.entry(format!("{:?}", gap.reason)).or_default() += 1;
                gaps.push(gap);
            }
            Said::Broadcast { number, .. } => {
                let mut skipped = Vec::new();
                loop {
                    match sent.next_if(|s| s.number <= *number) {
                        None => {
                            return Err(format!(
                                "{number} came a second time, out of order, or was never sent"
                            ));
                        }
                        Some(s) if s.number == *number => {
                            if s.outcome == Outcome::Refused {
                                return Err(format!("{number} was refused, and came"));
                            }
                            break;
                        }
                        Some(s) => skipped.push(s),
                    }
                }
                account(&skipped, &gaps, promised, None, &mut sum)
                    .map_err(|why| format!("before {number}: {why}"))?;
                gaps.clear();
                sum.delivered += 1;
            }
        }
    }
    let Some(until) = until else {
        return Ok(sum);
    };
    let rest: Vec<&Sent> = sent.collect();
    account(&rest, &gaps, promised, Some(until), &mut sum)
        .map_err(|why| format!("at the end: {why}"))?;
    Ok(sum)
}

fn first(lives: &[Life]) -> SystemTime {
    lives[0].notes[0].at
}

/// Checks that what was skipped between two deliveries is told by the gaps between them. What was
/// sent after `until` may still be on its way.
fn account(
    skipped: &[&Sent],
    gaps: &[&Gap],
    promised: Option<SystemTime>,
    until: Option<SystemTime>,
    sum: &mut Sum,
) -> Result<(), String> {
    let Some(promised) = promised else {
        return Ok(());
    };
    let mut counted = 0;
    for sent in skipped {
        let due = until.is_none_or(|until| sent.after < until);
        if sent.outcome != Outcome::Sent || sent.before <= promised + CLOCK || !due {
            continue;
        }
        sum.missed += 1;
        let offline = gaps
            .iter()
            .filter(|gap| !is_slow(gap))
            .any(|gap| spans(gap, sent));
        if offline {
            continue;
        }
        counted += 1;
        let slow = gaps
            .iter()
            .filter(|gap| is_slow(gap))
            .any(|gap| gap.to.is_none_or(|to| sent.before <= to.0 + CLOCK));
        if !slow {
            return Err(format!(
                "{sent:?} is missing, and no gap tells of it: {gaps:?}"
            ));
        }
    }
    // Where the daemon counts, it counts right; what may or may not have been sent, it may or may
    // not have counted.
    let slow = gaps.iter().filter(|gap| is_slow(gap));
    let told: Option<u64> = slow.map(|gap| gap.missed).sum();
    if let Some(told) = told
        && told > 0
    {
        let most = skipped
            .iter()
            .filter(|s| s.outcome != Outcome::Refused)
            .count() as u64;
        if told < counted || told > most {
            return Err(format!(
                "{told} were told as missed, {counted} to {most} were: {gaps:?}"
            ));
        }
    }
    Ok(())
}

fn spans(gap: &Gap, sent: &Sent) -> bool {
    let from = gap.from.is_none_or(|from| from.0 <= sent.after + CLOCK);
    let to = gap.to.is_none_or(|to| sent.before <= to.0 + CLOCK);
    from && to
}
