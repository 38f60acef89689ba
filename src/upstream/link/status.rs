//! How a link stands, for people.

use std::time::SystemTime;

use crate::upstream::deadline::Deadline;
use expd_domain::LinkState;

/// How a link stands.
#[derive(Clone, Debug)]
pub struct LinkStatus {
    /// The state.
    pub state: LinkState,
    /// Since when it is in this state.
    pub since: SystemTime,
    /// Why, in words; may be empty.
    pub reason: String,
    /// Tries since the link was last up.
    pub attempt: u32,
    /// What the last try failed with.
    pub last_error: Option<String>,
    /// When the next try comes.
    pub next_try: Option<Deadline>,
    /// The Engine.IO protocol in use; 0 while not connected.
    pub protocol: u32,
}

impl Default for LinkStatus {
    fn default() -> Self {
        Self {
            state: LinkState::Connecting,
            since: SystemTime::now(),
            reason: String::new(),
            attempt: 0,
            last_error: None,
            next_try: None,
            protocol: 0,
        }
    }
}

impl LinkStatus {
    /// Goes into a state; staying in it keeps its time.
    pub(super) fn enter(&mut self, state: LinkState, reason: &str) {
        if self.state != state {
            self.state = state;
            self.since = SystemTime::now();
        }
        reason.clone_into(&mut self.reason);
        if !matches!(state, LinkState::Online | LinkState::Pairing) {
            self.protocol = 0;
        }
    }
}
