//! The waits of a session.

use std::time::Duration;

/// Waits of a session. The defaults are a daemon's; tests shorten them.
#[derive(Clone, Debug)]
pub struct SessionTimings {
    /// Bound on the time until the answer to a login or a refresh begins.
    pub answer: Duration,
    /// Waits between tries while EXP is unreachable or in trouble: the longest first one, and the
    /// longest of all.
    pub retry: (Duration, Duration),
    /// Waits between tries that EXP refuses, as in `retry`. Only an operator can correct the
    /// credentials. The first is a promise to the network: it is added to every wait.
    pub refused: (Duration, Duration),
    /// First wait of credentials that EXP accepted before and refuses now; it doubles until it
    /// reaches the long waits.
    pub accepted_before: Duration,
    /// Waits between logins that are caused by refused tokens, as in `retry`. The first login comes
    /// at once; if fresh tokens are refused too, another login does not help, and each would
    /// cost the network a login and a socket.
    pub renewal: (Duration, Duration),
    /// Waits between tries to store a paired device's credentials, as in `retry`.
    pub saving: (Duration, Duration),
}

impl Default for SessionTimings {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            answer: seconds(15),
            retry: (seconds(2), seconds(60)),
            refused: (seconds(60), seconds(600)),
            accepted_before: seconds(5),
            renewal: (seconds(2), seconds(120)),
            saving: (seconds(5), seconds(600)),
        }
    }
}
