//! Timeouts of a live socket: the deadline for the client's next sign of life, and the pings.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::entry::Heartbeat;
use expd_domain::Generation;

/// Time for a client of generation 4 to open the default namespace.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Time for a client to close its transport after it has left the namespace.
pub(super) const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) struct Timing {
    heartbeat: Heartbeat,
    opened: Instant,
    heard: Instant,
    /// Deadline for closing the transport, once the client has left the namespace.
    leaves: Option<Instant>,
    /// `None` if the client pings, as in generation 3.
    next_ping: Option<Instant>,
    /// Fires no later than the next deadline; earlier if the client showed a sign of life since.
    timer: Pin<Box<Sleep>>,
}

impl Timing {
    /// Timeouts of a socket that opens now.
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

    /// Records a sign of life of the client.
    pub(super) fn heard(&mut self) {
        self.heard = Instant::now();
    }

    /// Records that the client has left the namespace.
    pub(super) fn leave(&mut self) {
        self.leaves = Some(Instant::now() + LEAVE_TIMEOUT);
    }

    /// Records that the client is in the namespace; true if it had left.
    pub(super) fn stay(&mut self) -> bool {
        self.leaves.take().is_some()
    }

    /// True while the client is outside the namespace.
    pub(super) fn has_left(&self) -> bool {
        self.leaves.is_some()
    }

    /// Deadline for the client's next action.
    pub(super) fn deadline(&self, is_connected: bool) -> Instant {
        let mut deadline = self.heard + self.heartbeat.interval + self.heartbeat.timeout;
        if !is_connected {
            deadline = deadline.min(self.opened + CONNECT_TIMEOUT);
        }
        self.leaves.map_or(deadline, |until| deadline.min(until))
    }

    /// True if a ping is due, and schedules the next one an interval later.
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
