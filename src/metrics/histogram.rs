//! A histogram of durations.

use std::time::Duration;

use super::counter::Counter;

/// Upper bounds of the buckets in microseconds: from what a local call takes to what a broadcast
/// with a long collection of responses does.
const BOUNDS: [u64; 14] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    5_000_000, 30_000_000,
];

/// Durations, counted in buckets.
#[derive(Debug, Default)]
pub struct Histogram {
    /// Durations up to each bound, and above the bound before it.
    buckets: [Counter; BOUNDS.len()],
    above: Counter,
    sum_micros: Counter,
}

impl Histogram {
    /// Counts a duration.
    pub fn observe(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let at = BOUNDS.partition_point(|bound| *bound < micros);
        self.buckets.get(at).unwrap_or(&self.above).inc();
        self.sum_micros.add(micros);
    }

    /// The buckets: each bound in seconds, and the number of durations up to it.
    pub fn cumulative(&self) -> Vec<(f64, u64)> {
        let mut sum = 0;
        let buckets = BOUNDS.iter().zip(&self.buckets);
        buckets
            .map(|(bound, count)| {
                sum += count.get();
                (Duration::from_micros(*bound).as_secs_f64(), sum)
            })
            .collect()
    }

    /// The number of durations.
    pub fn count(&self) -> u64 {
        let within: u64 = self.buckets.iter().map(Counter::get).sum();
        within + self.above.get()
    }

    /// Their sum in seconds.
    pub fn sum(&self) -> f64 {
        Duration::from_micros(self.sum_micros.get()).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_in_its_bucket_and_in_all_above() {
        let histogram = Histogram::default();
        for micros in [0, 250, 251, 3_000_000, 90_000_000] {
            histogram.observe(Duration::from_micros(micros));
        }
        let buckets = histogram.cumulative();
        assert_eq!(buckets[0], (0.000_25, 2));
        assert_eq!(buckets[1], (0.000_5, 3));
        assert_eq!(buckets[12], (5.0, 4));
        assert_eq!(buckets[13], (30.0, 4));
        assert_eq!(histogram.count(), 5);
        assert!((histogram.sum() - 93.000_501).abs() < 1e-9);
    }
}
