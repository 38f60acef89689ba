//! State of the door, shared by its handlers and the tasks of its pages.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::apps::Apps;
use super::logins::Logins;
use super::tokens::Tokens;
use crate::access::AccessPolicy;
use crate::bridge::Bridges;
use crate::config::DaemonSettings;
use crate::metrics::DaemonCounters;
use crate::pages::Pages;
use crate::router::Decode;
use crate::shares::Shares;
use expd_server::admission::Admission;
use expd_server::body_memory::BodyMemory;
use expd_server::engine::{EngineSessions, SocketTerms};
use expd_server::rate_limiter::RateLimiter;

/// Burst of logins with a wrong key from one app, and the time until another one is allowed.
const WRONG_LOGINS: (u32, Duration) = (10, Duration::from_secs(2));

/// Burst of requests from one app, and the time until another one is allowed.
const REQUESTS: (u32, Duration) = (2000, Duration::from_millis(1));

/// Burst of handshakes from one app, and the time until another one is allowed.
const HANDSHAKES: (u32, Duration) = (64, Duration::from_millis(100));

/// Owner of a live socket.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SocketOwner {
    pub app: Arc<str>,
    pub origin: Arc<str>,
}

/// State of the door.
pub(super) struct WebState {
    pub port: u16,
    pub apps: Apps,
    pub bridges: Bridges,
    pub access: watch::Receiver<Arc<AccessPolicy>>,
    pub counters: Arc<DaemonCounters>,
    pub tokens: Tokens,
    pub logins: Logins,
    pub sessions: EngineSessions<SocketOwner>,
    pub socket_terms: Arc<SocketTerms>,
    pub pages: Pages,
    pub decode: Decode,
    pub settings: watch::Receiver<Arc<DaemonSettings>>,
    pub admission: Arc<Admission>,
    pub body_memory: BodyMemory,
    /// Memory of answers, in bytes.
    pub answers: Shares,
    pub rates: Rates,
    /// Cancelled when the door stops.
    pub stopping: CancellationToken,
    /// Tasks of pages.
    pub tasks: TaskTracker,
}

/// Rates, by app.
pub(super) struct Rates {
    /// Also by origin; as many as the settings name.
    pub wrong_logins: RateLimiter<(String, String)>,
    pub requests: RateLimiter<String>,
    pub handshakes: RateLimiter<String>,
}

impl Default for Rates {
    fn default() -> Self {
        let limiter = |(burst, interval)| RateLimiter::new(burst, interval);
        Self {
            wrong_logins: RateLimiter::new(WRONG_LOGINS.0, WRONG_LOGINS.1),
            requests: limiter(REQUESTS),
            handshakes: limiter(HANDSHAKES),
        }
    }
}

impl WebState {
    /// The access policy in force.
    pub fn policy(&self) -> Arc<AccessPolicy> {
        self.access.borrow().clone()
    }
}
