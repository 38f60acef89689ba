//! Holds what programs printed that hear a channel against what was sent on it: nothing is missing
//! that was not told. The programs are of any language; each prints JSON lines (`tests/soak`).

use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::judge::Sent;
use crate::network::Outcome;

/// The clocks of one machine, read by different processes, and a time that was cut to milliseconds.
const CLOCK: Duration = Duration::from_millis(5);

/// Time that a broadcast may take to a program and its output. What was on the way when the program
/// was ended went with it.
const IN_FLIGHT: Duration = Duration::from_secs(1);

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
    Heard(u64),
    /// A gap: the count, where known, and the span, each end where known.
    Gap(Option<u64>, Option<SystemTime>, Option<SystemTime>),
}

/// One run of a program.
#[derive(Clone, Debug)]
pub struct Run {
    pub lines: Vec<Line>,
    /// When it was told to end, or killed.
    pub ended: SystemTime,
}

/// Verdict on a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub heard: usize,
    /// Not heard, and told.
    pub told: usize,
    /// Not heard, while the program itself was down.
    pub down: usize,
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
            return Ok(Self::Heard(number));
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

/// A span in which a number may be missing.
struct Span {
    from: Option<SystemTime>,
    to: SystemTime,
    /// True where the program told it.
    is_told: bool,
}

impl Span {
    fn covers(&self, sent: &Sent) -> bool {
        self.from.is_none_or(|from| sent.after + CLOCK >= from) && sent.before <= self.to + CLOCK
    }
}

/// Checks the runs of a program, the earliest first, against everything that was sent. The last run
/// has heard the last number.
///
/// # Errors
/// A number came twice, out of order or from nowhere, or is missing and was not told.
pub fn judge(runs: &[Run], sent: &[Sent]) -> Result<Verdict, String> {
    let mut verdict = Verdict::default();
    let mut heard = vec![false; sent.len()];
    let mut spans = Vec::new();
    // Nothing is promised before the first run listens.
    let mut down_since: Option<SystemTime> = None;
    for run in runs {
        let listens = run.lines.iter().find(|line| line.said == Said::Ready);
        let Some(listens) = listens else {
            return Err("a run that never listened".to_owned());
        };
        spans.push(Span {
            from: down_since,
            to: listens.at,
            is_told: false,
        });
        let last = check_run(run, sent, &mut heard, &mut spans, &mut verdict)?;
        let last = last.and_then(|last| sent.get(usize::try_from(last).ok()?));
        let on_the_way = run.ended.checked_sub(IN_FLIGHT);
        down_since = on_the_way
            .max(last.map(|last| last.after))
            .min(Some(run.ended));
    }
    for sent in sent {
        let index = usize::try_from(sent.number).map_err(|error| error.to_string())?;
        if heard[index] {
            verdict.heard += 1;
            continue;
        }
        let told = spans.iter().any(|span| span.is_told && span.covers(sent));
        let down = spans.iter().any(|span| !span.is_told && span.covers(sent));
        match (sent.outcome, told, down) {
            (_, true, _) => verdict.told += 1,
            (_, _, true) => verdict.down += 1,
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

/// Notes what a run heard and told, and gives the last number that it heard.
fn check_run(
    run: &Run,
    sent: &[Sent],
    heard: &mut [bool],
    spans: &mut Vec<Span>,
    verdict: &mut Verdict,
) -> Result<Option<u64>, String> {
    let mut last: Option<u64> = None;
    for line in &run.lines {
        match line.said {
            Said::Ready => {}
            Said::Heard(number) => {
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
                // Without a beginning, it goes back to what this run heard last.
                let since = last.and_then(|last| sent.get(usize::try_from(last).ok()?));
                let from = from.or(since.map(|sent| sent.before));
                spans.push(Span {
                    from,
                    to: to.unwrap_or(line.at),
                    is_told: true,
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

    fn run(lines: &[(u64, &str)], ended: u64) -> Run {
        let lines = lines.iter().map(|(second, line)| Line {
            at: at(*second),
            said: Said::parse(line).unwrap(),
        });
        Run {
            lines: lines.collect(),
            ended: at(ended),
        }
    }

    const READY: &str = r#"{"ready": true}"#;

    fn hears(numbers: &[u64]) -> Vec<(u64, String)> {
        let line = |n: &u64| (*n, format!(r#"{{"heard": {n}}}"#));
        numbers.iter().map(line).collect()
    }

    fn judged(before: &[u64], gap: Option<&str>, after: &[u64]) -> Result<Verdict, String> {
        let (before, after) = (hears(before), hears(after));
        let mut lines = vec![(0, READY)];
        lines.extend(before.iter().map(|(at, line)| (*at, line.as_str())));
        lines.extend(gap.map(|gap| (6, gap)));
        lines.extend(after.iter().map(|(at, line)| (*at, line.as_str())));
        judge(&[run(&lines, 9)], &sent(8))
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
    fn what_was_sent_while_the_program_was_down_is_its_own() {
        let first = hears(&[0, 1, 2]);
        let second = hears(&[5, 6, 7]);
        let lines = |ready, heard: &[(u64, String)]| {
            let mut lines = vec![(ready, READY.to_owned())];
            lines.extend(heard.iter().cloned());
            lines
        };
        let run_of = |ready, heard: &[(u64, String)], ended| {
            let lines = lines(ready, heard);
            let lines: Vec<(u64, &str)> = lines.iter().map(|(at, it)| (*at, &**it)).collect();
            run(&lines, ended)
        };
        let runs = [run_of(0, &first, 3), run_of(4, &second, 9)];
        let verdict = judge(&runs, &sent(8)).unwrap();
        assert_eq!((verdict.heard, verdict.down), (6, 2));
        // 3 was on the way when it was killed at 4; 2 was not.
        let killed = [run_of(0, &first, 4), run_of(4, &second, 9)];
        assert_eq!(judge(&killed, &sent(8)).unwrap().down, 2);
        let deaf = [run_of(0, &hears(&[0, 1]), 4), run_of(4, &second, 9)];
        assert!(
            judge(&deaf, &sent(8)).is_err(),
            "2 was sent long before the end"
        );
        let late = [run_of(0, &first, 3), run_of(3, &second, 9)];
        assert!(
            judge(&late, &sent(8)).is_err(),
            "4 was sent while it listened"
        );
    }
}
