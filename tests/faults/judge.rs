//! Holds what a listener heard against what the network was sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use expd::client::{Event, Gap, GapReason, SubscriptionState};
use expd::exp::Channel;

use crate::world::{Heard, Outcome, Sender};

/// The clocks of one machine, read by different threads.
const CLOCK: Duration = Duration::from_millis(2);

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
        let outcome = sender.send(channel, name, number).await;
        let last = &mut self.0.lock().unwrap()[usize::try_from(number).unwrap()];
        last.outcome = outcome;
        last.after = SystemTime::now();
        (number, outcome)
    }

    pub fn sent(&self) -> Vec<Sent> {
        self.0.lock().unwrap().clone()
    }
}

/// What a listener's stream came to.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    pub delivered: usize,
    pub missed: usize,
    pub gaps: BTreeMap<String, usize>,
}

/// Checks order, duplicates, and that everything not delivered was told. `name` is the listener's filter. Where
/// there is an `until`, the stream is confirmed and nothing is on its way, and everything sent until then is accounted for.
pub fn judge(
    name: Option<&str>,
    heard: &[Heard],
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
    let mut log = "";
    let mut sequence = 0;
    for one in heard {
        if let Event::Subscription(subscription) = &one.event.event
            && log != subscription.log_id
        {
            log = &subscription.log_id;
            sequence = 0;
        }
        if one.event.sequence < sequence {
            return Err(format!("the sequence fell from {sequence}: {one:?}"));
        }
        sequence = one.event.sequence;
        match &one.event.event {
            Event::Subscription(subscription) => {
                if subscription.state == SubscriptionState::Confirmed && promised.is_none() {
                    promised = subscription.since.map(|since| since.0.max(first(heard)));
                }
            }
            Event::Gap(gap) => {
                *sum.gaps.entry(format!("{:?}", gap.reason)).or_default() += 1;
                gaps.push(gap);
            }
            Event::Broadcast(broadcast) => {
                let number: u64 = broadcast
                    .payload
                    .as_str()
                    .parse()
                    .map_err(|_| format!("not a number: {one:?}"))?;
                let mut skipped = Vec::new();
                loop {
                    match sent.next_if(|s| s.number <= number) {
                        None => {
                            return Err(format!(
                                "{number} came a second time, out of order, or was never sent"
                            ));
                        }
                        Some(s) if s.number == number => {
                            if s.outcome == Outcome::Refused {
                                return Err(format!("{number} was refused, and came"));
                            }
                            break;
                        }
                        Some(s) => skipped.push(s),
                    }
                }
                account(&skipped, &gaps, promised, &mut sum)
                    .map_err(|why| format!("before {number}: {why}"))?;
                gaps.clear();
                sum.delivered += 1;
            }
        }
    }
    let Some(until) = until else {
        return Ok(sum);
    };
    let rest: Vec<&Sent> = sent.filter(|s| s.after < until).collect();
    account(&rest, &gaps, promised, &mut sum).map_err(|why| format!("at the end: {why}"))?;
    Ok(sum)
}

fn first(heard: &[Heard]) -> SystemTime {
    heard[0].at
}

/// What was skipped between two deliveries has to be told by the gaps between them.
fn account(
    skipped: &[&Sent],
    gaps: &[&Gap],
    promised: Option<SystemTime>,
    sum: &mut Sum,
) -> Result<(), String> {
    let Some(promised) = promised else {
        return Ok(());
    };
    let mut counted = 0;
    for sent in skipped {
        if sent.outcome != Outcome::Sent || sent.before <= promised + CLOCK {
            continue;
        }
        sum.missed += 1;
        let offline = gaps
            .iter()
            .filter(|gap| matches!(gap.reason, GapReason::Offline | GapReason::Restarted))
            .any(|gap| {
                let from = gap.from.is_none_or(|from| from.0 <= sent.after + CLOCK);
                let to = gap.to.is_none_or(|to| sent.before <= to.0 + CLOCK);
                from && to
            });
        if offline {
            continue;
        }
        counted += 1;
        let slow = gaps
            .iter()
            .any(|gap| matches!(gap.reason, GapReason::Overflow | GapReason::Expired));
        if !slow {
            return Err(format!(
                "{sent:?} is missing, and no gap tells of it: {gaps:?}"
            ));
        }
    }
    // Where the daemon counts, it counts right; what may or may not have been sent, it may or may not have counted.
    let slow = gaps
        .iter()
        .filter(|gap| matches!(gap.reason, GapReason::Overflow | GapReason::Expired));
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
