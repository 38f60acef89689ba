//! How patient a session is.

use std::time::Duration;

/// The waits of a session. The defaults are what a daemon lives by; tests are in more of a hurry.
#[derive(Clone, Debug)]
pub struct SessionTimings {
    /// How long an answer to a login or a refresh may take to begin.
    pub answer: Duration,
    /// The longest first and the longest of all waits between tries that fail because EXP cannot be reached or is in trouble.
    pub retry: (Duration, Duration),
    /// The same between tries that EXP refuses: an operator may mend the credentials, but nothing else will. The first is a
    /// promise to the network: it is added to every wait.
    pub refused: (Duration, Duration),
    /// The first and shortest wait of credentials that EXP took before and refuses now; then twice as long each time, until it
    /// reaches the long waits.
    pub accepted_before: Duration,
    /// The same between logins that only follow from refused tokens. The first comes at once; where fresh tokens are refused,
    /// too, another login does not help, and each would cost the network a login and a socket.
    pub renewal: (Duration, Duration),
    /// The same between tries to store a paired device's credentials.
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
