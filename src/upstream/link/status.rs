//! Status of a link.

use crate::moment::BootTime;
use crate::upstream::deadline::Deadline;
use expd_domain::LinkState;

/// Status of a link, for people.
#[derive(Clone, Debug)]
pub struct LinkStatus {
    pub state: LinkState,
    /// Time at which it entered this state.
    pub since: BootTime,
    /// Reason as text; may be empty.
    pub reason: String,
    /// Number of tries since the link was last online.
    pub attempt: u32,
    pub last_error: Option<String>,
    /// Time of the next try.
    pub next_try: Option<Deadline>,
    /// Number of the Engine.IO protocol in use; 0 while not connected.
    pub protocol: u32,
    /// The last state other than connecting, if there was any.
    settled: Option<LinkState>,
}

impl Default for LinkStatus {
    fn default() -> Self {
        Self {
            state: LinkState::Connecting,
            since: BootTime::now(),
            reason: String::new(),
            attempt: 0,
            last_error: None,
            next_try: None,
            protocol: 0,
            settled: None,
        }
    }
}

impl LinkStatus {
    /// Enters a state; entering the present one again keeps its time. True if it differs from the
    /// previous state, not counting attempts to connect.
    pub(super) fn enter(&mut self, state: LinkState, reason: &str) -> bool {
        if self.state != state {
            self.state = state;
            self.since = BootTime::now();
        }
        reason.clone_into(&mut self.reason);
        if !matches!(state, LinkState::Online | LinkState::Pairing) {
            self.protocol = 0;
        }
        state != LinkState::Connecting && self.settled.replace(state) != Some(state)
    }
}
