//! Prometheus' text format, version 0.0.4: families of samples, each after its help and type.

use std::fmt::{Display, Write as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Kind of a family.
#[derive(Clone, Copy, Debug)]
pub(super) enum MetricKind {
    /// Grows until the daemon restarts.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts in buckets.
    Histogram,
}

/// Text in Prometheus' format, built family by family.
#[derive(Default)]
pub(super) struct Exposition(String);

/// One family, to which samples are added.
pub(super) struct Family<'a> {
    text: &'a mut String,
    name: &'a str,
}

impl Exposition {
    pub(super) fn family<'a>(
        &'a mut self,
        name: &'a str,
        kind: MetricKind,
        help: &str,
    ) -> Family<'a> {
        let kind = match kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        };
        let help = escaped(help, false);
        let head = format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
        self.0.push_str(&head);
        Family {
            text: &mut self.0,
            name,
        }
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

impl Family<'_> {
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.suffixed("", labels, value);
    }

    /// Adds a histogram: its buckets (upper bound and cumulative count), count and sum.
    pub(super) fn histogram(
        &mut self,
        labels: &[(&str, &str)],
        buckets: &[(f64, u64)],
        count: u64,
        sum: f64,
    ) {
        for (bound, count) in buckets {
            let bound = bound.to_string();
            let labels = [labels, &[("le", &bound)]].concat();
            self.suffixed("_bucket", &labels, count);
        }
        let labels_of_all = [labels, &[("le", "+Inf")]].concat();
        self.suffixed("_bucket", &labels_of_all, count);
        self.suffixed("_sum", labels, sum);
        self.suffixed("_count", labels, count);
    }

    fn suffixed(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(self.name);
        self.text.push_str(suffix);
        for (index, (label, text)) in labels.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            // Writing to a String does not fail.
            write!(self.text, "{before}{label}=\"{}\"", escaped(text, true)).ok();
        }
        let after = if labels.is_empty() { "" } else { "}" };
        writeln!(self.text, "{after} {value}").ok();
    }
}

/// Escapes characters that would end the line or, in a label, its quotes.
fn escaped(text: &str, quoted: bool) -> String {
    let text = text.replace('\\', r"\\").replace('\n', r"\n");
    if quoted {
        text.replace('"', "\\\"")
    } else {
        text
    }
}

/// A time in seconds since the epoch, with the precision of milliseconds.
pub(super) fn seconds(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    format!("{}.{:03}", since.as_secs(), since.subsec_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_follow_help_and_type() {
        let mut text = Exposition::default();
        let mut family = text.family("a_total", MetricKind::Counter, "What \\ it\nis.");
        family.sample(&[], 7);
        family.sample(&[("x", "plain"), ("y", "a\"b\\c\nd")], 0.5);
        text.family("b", MetricKind::Gauge, "Nothing.");
        let mut family = text.family("c", MetricKind::Histogram, "Times.");
        family.histogram(&[("x", "y")], &[(0.5, 1), (2.0, 3)], 4, 7.25);
        assert_eq!(
            text.finish(),
            "# HELP a_total What \\\\ it\\nis.\n# TYPE a_total counter\na_total 7\n\
             a_total{x=\"plain\",y=\"a\\\"b\\\\c\\nd\"} 0.5\n# HELP b Nothing.\n# TYPE b gauge\n\
             # HELP c Times.\n# TYPE c histogram\nc_bucket{x=\"y\",le=\"0.5\"} 1\n\
             c_bucket{x=\"y\",le=\"2\"} 3\nc_bucket{x=\"y\",le=\"+Inf\"} 4\nc_sum{x=\"y\"} 7.25\n\
             c_count{x=\"y\"} 4\n"
        );
    }

    #[test]
    fn times_are_seconds_with_milliseconds() {
        let time = UNIX_EPOCH + Duration::from_millis(1_738_324_800_042);
        assert_eq!(seconds(time), "1738324800.042");
        assert_eq!(seconds(UNIX_EPOCH - Duration::from_secs(1)), "0.000");
    }
}
