//! Times of a live socket: until when its client must show a sign of life, and when it is pinged.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::entry::Heartbeat;
use crate::engine_query::Generation;

/// Time that a client of generation 4 has to open the default namespace.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Time that a client has to close its transport once it has left the namespace.
pub(super) const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) struct Timing {
    heartbeat: Heartbeat,
    opened: Instant,
    heard: Instant,
    /// The client has left the namespace, and closes its transport by then.
    leaves: Option<Instant>,
    /// None where the client pings by itself, as those of generation 3 do.
    next_ping: Option<Instant>,
    /// Wakes the task no later than something is due; earlier where the client was heard since.
    timer: Pin<Box<Sleep>>,
}

impl Timing {
    /// The times of a socket that opens now.
    pub(super) fn new(heartbeat: Heartbeat, generation: Generation) -> Self {
        let now = Instant::now();
        let server_pings = generation == Generation::V4;
        Self {
            heartbeat,
            opened: now,
            heard: now,
            leaves: None,
            next_ping: server_pings.then_some(now + heartbeat.interval),
            timer: Box::pin(sleep_until(now)),
        }
    }

    /// Notes a sign of life of the client.
    pub(super) fn heard(&mut self) {
        self.heard = Instant::now();
    }

    /// Notes that the client has left the namespace.
    pub(super) fn leave(&mut self) {
        self.leaves = Some(Instant::now() + LEAVE_TIMEOUT);
    }

    /// Notes that the client is in the namespace; true where it had left.
    pub(super) fn stay(&mut self) -> bool {
        self.leaves.take().is_some()
    }

    /// True while the client is out of the namespace.
    pub(super) fn has_left(&self) -> bool {
        self.leaves.is_some()
    }

    /// End of the client's time.
    pub(super) fn deadline(&self, is_connected: bool) -> Instant {
        let mut deadline = self.heard + self.heartbeat.interval + self.heartbeat.timeout;
        if !is_connected {
            deadline = deadline.min(self.opened + CONNECT_TIMEOUT);
        }
        self.leaves.map_or(deadline, |until| deadline.min(until))
    }

    /// True where a ping is due; the next one is an interval away from here.
    pub(super) fn take_ping(&mut self, now: Instant) -> bool {
        let is_due = self.next_ping.is_some_and(|at| at <= now);
        if is_due {
            self.next_ping = Some(now + self.heartbeat.interval);
        }
        is_due
    }

    /// Sets the timer to the next ping, or to a deadline before it.
    pub(super) fn sleep_until(&mut self, deadline: Instant) {
        let next = self.next_ping.map_or(deadline, |ping| deadline.min(ping));
        self.timer.as_mut().reset(next);
    }

    /// Waits until something may be due.
    pub(super) async fn due(&mut self) {
        (&mut self.timer).await;
    }
}
