//! Outages that were evicted from a channel's log. A listener that falls behind the log is told
//! exactly those that it missed.

use std::collections::VecDeque;

use crate::moment::Moment;

/// Number of outages that are kept individually; older ones are merged into one.
const MAX_OUTAGES: usize = 64;

/// Span of an outage: its start, if known, and its end.
type Span = (Option<Moment>, Moment);

/// Outages by the position of their gap in the log, oldest first.
#[derive(Debug, Default)]
pub(super) struct Outages(VecDeque<(u64, Span)>);

impl Outages {
    pub fn push(&mut self, position: u64, span: Span) {
        self.0.push_back((position, span));
        if self.0.len() > MAX_OUTAGES
            && let Some((_, (from, _))) = self.0.pop_front()
            && let Some((_, oldest)) = self.0.front_mut()
        {
            oldest.0 = oldest.0.min(from);
        }
    }

    /// The span of all outages after a position. It starts at the earliest start, or has no start
    /// where one of them has none.
    pub fn after(&self, position: u64) -> Option<Span> {
        let from = self
            .0
            .iter()
            .filter(|(at, _)| *at > position)
            .map(|(_, (from, _))| *from)
            .min()?;
        let (_, (_, to)) = self.0.back()?;
        Some((from, *to))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_remembered_is_bounded_and_nothing_is_left_out() {
        let start = Moment::now();
        let at = |second: u64| start.after(Duration::from_secs(second));
        let mut outages = Outages::default();
        for n in 1..=100 {
            outages.push(n, (Some(at(n * 10)), at(n * 10 + 1)));
        }
        assert_eq!(outages.0.len(), MAX_OUTAGES);
        assert_eq!(outages.after(0), Some((Some(at(10)), at(1001))));
        assert_eq!(outages.after(98), Some((Some(at(990)), at(1001))));
        assert_eq!(outages.after(100), None);
    }
}
