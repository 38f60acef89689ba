//! Counts of gaps by their reason.

use expd_domain::GapReason;

/// Numbers of gaps by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GapCounts {
    pub offline: u64,
    pub overflow: u64,
    pub expired: u64,
    pub restarted: u64,
}

impl GapCounts {
    pub(super) fn add(&mut self, reason: GapReason) {
        self.add_count(reason, 1);
    }

    /// Adds other counts.
    pub(super) fn add_all(&mut self, others: Self) {
        for (reason, count) in others.counts() {
            self.add_count(reason, count);
        }
    }

    /// The number of all gaps.
    pub fn total(self) -> u64 {
        self.offline + self.overflow + self.expired + self.restarted
    }

    /// The number of each reason.
    pub fn counts(self) -> [(GapReason, u64); 4] {
        [
            (GapReason::Offline, self.offline),
            (GapReason::Overflow, self.overflow),
            (GapReason::Expired, self.expired),
            (GapReason::Restarted, self.restarted),
        ]
    }

    fn add_count(&mut self, reason: GapReason, count: u64) {
        let sum = match reason {
            GapReason::Offline => &mut self.offline,
            GapReason::Overflow => &mut self.overflow,
            GapReason::Expired => &mut self.expired,
            GapReason::Restarted => &mut self.restarted,
            // Used by clients for unknown reasons only; the router never reports it.
            GapReason::Unknown => return,
        };
        *sum += count;
    }
}
