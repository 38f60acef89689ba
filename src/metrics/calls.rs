//! Counts of gRPC calls: open, ended by status, and the time that unary ones took.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::counter::{Counter, Gauge};
use super::histogram::Histogram;

/// The label of methods that this daemon does not have.
const OTHER: &str = "other";

/// Names of the gRPC status codes, by number.
const STATUSES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// Number of a status: the call's client went away.
const CANCELLED: usize = 1;

/// Number of the status of an answer that states none.
const UNKNOWN: usize = 2;

/// The calls of all methods. The methods are fixed when it is made, so that no client can add one.
#[derive(Debug)]
pub struct Calls {
    by_path: HashMap<&'static str, Arc<MethodCalls>>,
    other: Arc<MethodCalls>,
}

/// The calls of one method.
#[derive(Debug)]
pub struct MethodCalls {
    /// Its label: `expd.v1.Network/Broadcast`.
    pub name: &'static str,
    /// Calls under way.
    pub open: Gauge,
    /// Ended calls by the number of their status.
    ended: [Counter; STATUSES.len()],
    /// Duration of the calls; none for streams, which last as long as their clients want.
    pub duration: Option<Histogram>,
}

impl Calls {
    /// Counts for methods: each by its path, and true for a stream.
    pub fn new(methods: impl IntoIterator<Item = (&'static str, bool)>) -> Self {
        let methods = methods.into_iter().map(|(path, is_stream)| {
            let name = path.strip_prefix('/').unwrap_or(path);
            (path, Arc::new(MethodCalls::new(name, is_stream)))
        });
        Self {
            by_path: methods.collect(),
            other: Arc::new(MethodCalls::new(OTHER, true)),
        }
    }

    /// Counts a call of the method at this path until its end.
    pub fn begin(&self, path: &str) -> OpenCall {
        let method = self.by_path.get(path).unwrap_or(&self.other).clone();
        method.open.inc();
        OpenCall {
            method,
            since: Instant::now(),
            status: CANCELLED,
        }
    }

    /// The methods by name.
    pub fn methods(&self) -> Vec<&MethodCalls> {
        let mut methods: Vec<&MethodCalls> =
            self.by_path.values().map(|method| &**method).collect();
        methods.sort_unstable_by_key(|method| method.name);
        methods.push(&self.other);
        methods
    }
}

impl MethodCalls {
    fn new(name: &'static str, is_stream: bool) -> Self {
        Self {
            name,
            open: Gauge::default(),
            ended: Default::default(),
            duration: (!is_stream).then(Histogram::default),
        }
    }

    /// Ended calls by status. The status OK is always there, so that a rate can be told from the
    /// first call on; others once a call has ended with them.
    pub fn ended(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = STATUSES.iter().zip(&self.ended);
        counts
            .map(|(status, count)| (*status, count.get()))
            .filter(|(status, count)| *count > 0 || *status == "OK")
    }
}

/// A call under way. Dropped before its end is told, it was cancelled.
#[derive(Debug)]
pub struct OpenCall {
    method: Arc<MethodCalls>,
    since: Instant,
    status: usize,
}

impl OpenCall {
    /// Ends the call with the status of this number; without one, the answer stated none.
    pub fn end(mut self, status: Option<usize>) {
        self.status = status
            .filter(|number| *number < STATUSES.len())
            .unwrap_or(UNKNOWN);
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.method.open.dec();
        if let Some(count) = self.method.ended.get(self.status) {
            count.inc();
        }
        if let Some(duration) = &self.method.duration {
            duration.observe(self.since.elapsed());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_open_until_it_ends_with_its_status() {
        let calls = Calls::new([("/a.B/C", false), ("/a.B/Stream", true)]);
        let [first, second, third] = [(); 3].map(|()| calls.begin("/a.B/C"));
        let methods = calls.methods();
        assert_eq!(methods[0].name, "a.B/C");
        assert_eq!(methods[0].open.get(), 3);
        first.end(Some(0));
        second.end(Some(99));
        drop(third);
        assert_eq!(methods[0].open.get(), 0);
        let ended: Vec<_> = methods[0].ended().collect();
        assert_eq!(ended, [("OK", 1), ("CANCELLED", 1), ("UNKNOWN", 1)]);
        assert_eq!(methods[0].duration.as_ref().unwrap().count(), 3);
    }

    #[test]
    fn methods_that_are_not_there_share_one_label() {
        let calls = Calls::new([("/a.B/C", false)]);
        for n in 0..100 {
            calls.begin(&format!("/made.Up/{n}")).end(Some(12));
        }
        let methods = calls.methods();
        assert_eq!(methods.len(), 2);
        let ended: Vec<_> = methods[1].ended().collect();
        assert_eq!(ended, [("OK", 0), ("UNIMPLEMENTED", 100)]);
        assert!(methods[1].duration.is_none());
    }
}
