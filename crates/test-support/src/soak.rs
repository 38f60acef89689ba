//! Holds what programs printed that hear a channel against what was sent on it: nothing is missing
//! that was not told. The programs are of any language; each prints JSON lines (`tests/soak`).
//!
//! A program says the position of each broadcast that it heard, and its next run goes on there.
//! Nothing is excused, therefore, after the first run listens: neither what was on the way when a
//! run ended or was killed, nor what was sent before the next one listened.

use std::time::{Duration, SystemTime};

use expd_client::Position;
use serde_json::Value;

use crate::judge::Sent;
use crate::network::Outcome;

/// The clocks of one machine, read by different processes, and a time that was cut to milliseconds.
const CLOCK: Duration = Duration::from_millis(5);

/// A line of a program, and when it was read.
#[derive(Clone, Debug)]
pub struct Line {
    pub at: SystemTime,
    pub said: Said,
}

/// One line that a program prints.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// It listens.
    Ready,
    /// A broadcast, and the position after it.
    Heard(u64, Position),
    /// A gap: the count, where known, and the span, each end where known.
    Gap(Option<u64>, Option<SystemTime>, Option<SystemTime>),
}

/// One run of a program.
#[derive(Clone, Debug)]
pub struct Run {
    pub lines: Vec<Line>,
}

impl Run {
    /// Position after what it heard last, where the next run goes on.
    pub fn position(&self) -> Option<&Position> {
        self.lines.iter().rev().find_map(|line| match &line.said {
            Said::Heard(_, position) => Some(position),
            Said::Ready | Said::Gap(..) => None,
        })
    }
}

/// Verdict on a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub heard: usize,
    /// Not heard, and told.
    pub told: usize,
    /// Sent before the first run listened, and not heard.
    pub early: usize,
    pub gaps: usize,
}

impl Said {
    /// Reads a line.
    ///
    /// # Errors
    /// It is no line of the soak's.
    pub fn parse(line: &str) -> Result<Self, String> {
        let wrong = || format!("not a line of the soak's: {line:?}");
        let document: Value = serde_json::from_str(line).map_err(|_| wrong())?;
        if document["ready"] == true {
            return Ok(Self::Ready);
        }
        if let Some(number) = document["heard"].as_u64() {
            let position = &document["position"];
            let log_id = position["logId"].as_str().ok_or_else(wrong)?;
            let after = position["after"].as_u64().ok_or_else(wrong)?;
            let log_id = log_id.to_owned();
            return Ok(Self::Heard(number, Position { log_id, after }));
        }
        let gap = document["gap"].as_object().ok_or_else(wrong)?;
        let time = |end: &str| match gap.get(end) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => {
                let time: prost_types::Timestamp = text.parse().map_err(|_| wrong())?;
                SystemTime::try_from(time).map(Some).map_err(|_| wrong())
            }
            Some(_) => Err(wrong()),
        };
        let missed = gap.get("missed").and_then(Value::as_u64);
        let missed = missed.filter(|missed| *missed > 0);
        Ok(Self::Gap(missed, time("from")?, time("to")?))
    }
}

/// A span that a program told, in which a number may be missing.
struct Span {
    from: Option<SystemTime>,
    to: SystemTime,
}

impl Span {
    fn covers(&self, sent: &Sent) -> bool {
        self.from.is_none_or(|from| sent.after + CLOCK >= from) && sent.before <= self.to + CLOCK
    }
}

/// Checks the runs of a program, the earliest first, each of which went on at the
/// [position](Run::position) of the one before, against everything that was sent. The last run has
/// heard the last number.
///
/// # Errors
/// A number came twice, out of order or from nowhere, or is missing and was not told.
pub fn judge(runs: &[Run], sent: &[Sent]) -> Result<Verdict, String> {
    let mut verdict = Verdict::default();
    let mut heard = vec![false; sent.len()];
    let (mut spans, mut last) = (Vec::new(), None);
    let mut listens: Option<SystemTime> = None;
    for run in runs {
        let ready = run.lines.iter().find(|line| line.said == Said::Ready);
        let ready = ready.ok_or("a run that never listened")?.at;
        // Nothing is promised before the first run listens.
        listens.get_or_insert(ready);
        last = check_run(run, last, sent, &mut heard, &mut spans, &mut verdict)?;
    }
    for sent in sent {
        let index = usize::try_from(sent.number).map_err(|error| error.to_string())?;
        if heard[index] {
            verdict.heard += 1;
            continue;
        }
        let told = spans.iter().any(|span: &Span| span.covers(sent));
        let early = listens.is_none_or(|listens| sent.before <= listens + CLOCK);
        match (sent.outcome, told, early) {
            (_, true, _) => verdict.told += 1,
            (_, _, true) => verdict.early += 1,
            // The network did not take it, or nobody knows.
            (Outcome::Refused | Outcome::Unknown, ..) => {}
            (Outcome::Sent, false, false) => {
                return Err(format!("{sent:?} was neither heard nor told"));
            }
        }
    }
    // A program that calls everything a gap has not been tested.
    if verdict.heard <= verdict.told {
        return Err(format!("more was lost than heard: {verdict:?}"));
    }
    Ok(verdict)
}

/// Notes what a run heard and told. Takes the last number that an earlier run heard, and gives the
/// last one that is heard now.
fn check_run(
    run: &Run,
    mut last: Option<u64>,
    sent: &[Sent],
    heard: &mut [bool],
    spans: &mut Vec<Span>,
    verdict: &mut Verdict,
) -> Result<Option<u64>, String> {
    for line in &run.lines {
        match line.said {
            Said::Ready => {}
            Said::Heard(number, _) => {
                let index = usize::try_from(number).map_err(|error| error.to_string())?;
                if index >= sent.len() {
                    return Err(format!("{number} was never sent"));
                }
                if sent[index].outcome == Outcome::Refused {
                    return Err(format!("{number} was refused, and heard"));
                }
                if last.is_some_and(|last| last >= number) {
                    return Err(format!("{number} after {last:?}"));
                }
                last = Some(number);
                heard[index] = true;
            }
            Said::Gap(_, from, to) => {
                verdict.gaps += 1;
                // Without a beginning, it goes back to what was heard last.
                let since = last.and_then(|last| sent.get(usize::try_from(last).ok()?));
                spans.push(Span {
                    from: from.or(since.map(|sent| sent.before)),
                    to: to.unwrap_or(line.at),
                });
            }
        }
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(second)
    }

    /// A number each second, all taken.
    fn sent(count: u64) -> Vec<Sent> {
        let one = |number| Sent {
            number,
            name: "n".to_owned(),
            before: at(number),
            after: at(number),
            outcome: Outcome::Sent,
        };
        (0..count).map(one).collect()
    }

    /// A run that listens from a second on.
    fn run(ready: u64, lines: &[(u64, String)]) -> Run {
        let mut said = vec![(ready, r#"{"ready": true}"#.to_owned())];
        said.extend_from_slice(lines);
        let line = |(second, line): (u64, String)| Line {
            at: at(second),
            said: Said::parse(&line).unwrap(),
        };
        Run {
            lines: said.into_iter().map(line).collect(),
        }
    }

    fn hears(numbers: &[u64]) -> Vec<(u64, String)> {
        let position = |n: &u64| format!(r#"{{"logId": "log", "after": {n}}}"#);
        let line = |n: &u64| {
            (
                *n,
                format!(r#"{{"heard": {n}, "position": {}}}"#, position(n)),
            )
        };
        numbers.iter().map(line).collect()
    }

    fn judged(before: &[u64], gap: Option<&str>, after: &[u64]) -> Result<Verdict, String> {
        let mut lines = hears(before);
        lines.extend(gap.map(|gap| (6, gap.to_owned())));
        lines.extend(hears(after));
        judge(&[run(0, &lines)], &sent(8))
    }

    #[test]
    fn what_is_missing_and_told_passes_and_what_is_not_told_fails() {
        let all = judged(&[0, 1, 2, 3, 4, 5, 6, 7], None, &[]).unwrap();
        assert_eq!((all.heard, all.told), (8, 0));
        let untold = judged(&[0, 1, 2, 3, 4], None, &[6, 7]).unwrap_err();
        assert!(untold.contains("neither heard nor told"), "{untold}");
        let gap = r#"{"gap": {"reason": "offline", "missed": null, "from": "1970-01-01T00:00:05+00:00", "to": "1970-01-01T00:00:05.500Z"}}"#;
        let told = judged(&[0, 1, 2, 3, 4], Some(gap), &[6, 7]).unwrap();
        assert_eq!((told.heard, told.told, told.gaps), (7, 1, 1));
        let elsewhere = judged(&[0, 1, 3, 4], Some(gap), &[6, 7]).unwrap_err();
        assert!(elsewhere.contains("number: 2"), "{elsewhere}");
        let open =
            r#"{"gap": {"reason": "restarted", "from": null, "to": "1970-01-01T00:00:05.500Z"}}"#;
        assert_eq!(judged(&[0, 1, 2, 3], Some(open), &[6, 7]).unwrap().told, 2);
    }

    #[test]
    fn twice_out_of_order_and_everything_a_gap_fail() {
        assert!(judged(&[0, 1, 1], None, &[]).is_err());
        assert!(judged(&[1, 0], None, &[]).is_err());
        assert!(judged(&[0, 1, 2, 3, 4, 5, 6, 7, 8], None, &[]).is_err());
        let all = r#"{"gap": {"from": "1970-01-01T00:00:00Z", "to": "1970-01-01T00:00:20Z"}}"#;
        let lazy = judged(&[0], Some(all), &[]).unwrap_err();
        assert!(lazy.contains("more was lost"), "{lazy}");
    }

    #[test]
    fn nothing_is_promised_before_the_first_run_listens() {
        let late = judge(&[run(2, &hears(&[3, 4, 5, 6, 7]))], &sent(8)).unwrap();
        assert_eq!((late.heard, late.early), (5, 3));
        let deaf = judge(&[run(1, &hears(&[3, 4, 5, 6, 7]))], &sent(8)).unwrap_err();
        assert!(deaf.contains("number: 2"), "{deaf}");
    }

    #[test]
    fn nothing_is_excused_between_two_runs() {
        let of = |first: &[u64], ready, second: &[u64]| {
            judge(
                &[run(0, &hears(first)), run(ready, &hears(second))],
                &sent(8),
            )
        };
        let all = of(&[0, 1, 2], 5, &[3, 4, 5, 6, 7]).unwrap();
        assert_eq!((all.heard, all.early), (8, 0));
        // The last that was on the way to the first run, and the first that was sent while no run
        // was there.
        for (second, missing) in [([4, 5, 6, 7], "number: 3"), ([3, 5, 6, 7], "number: 4")] {
            let untold = of(&[0, 1, 2], 5, &second).unwrap_err();
            assert!(untold.contains(missing), "{untold}");
        }
        let twice = of(&[0, 1, 2], 5, &[2, 3, 4, 5, 6, 7]).unwrap_err();
        assert!(twice.contains("2 after Some(2)"), "{twice}");
    }

    #[test]
    fn a_gap_of_a_later_run_goes_back_to_what_the_earlier_one_heard() {
        let gap = r#"{"gap": {"reason": "restarted", "from": null, "to": "1970-01-01T00:00:05Z"}}"#;
        let after = |first: &[u64]| {
            let mut lines = vec![(5, gap.to_owned())];
            lines.extend(hears(&[6, 7]));
            judge(&[run(0, &hears(first)), run(5, &lines)], &sent(8))
        };
        assert_eq!(after(&[0, 1, 2, 3]).unwrap().told, 2);
        let untold = after(&[0, 1, 3]).unwrap_err();
        assert!(untold.contains("number: 2"), "{untold}");
    }

    #[test]
    fn a_run_ends_at_the_position_of_what_it_heard_last() {
        let position = |run: &Run| run.position().map(|position| position.after);
        assert_eq!(position(&run(0, &hears(&[3, 4]))), Some(4));
        assert_eq!(position(&run(0, &[])), None);
        assert!(Said::parse(r#"{"heard": 3}"#).is_err());
    }
}
