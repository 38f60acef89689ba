//! Detects dead connections by missing pings. Pure: the caller passes the time, and sends.

use std::time::Duration;

use tokio::time::Instant;

use super::packet::Handshake;

/// Heartbeat of one connection. In generation 3 the client pings, in generation 4 the server.
#[derive(Debug)]
pub(super) enum Heartbeat {
    /// The client pings at each interval; anything must arrive within the timeout.
    Ours {
        interval: Duration,
        timeout: Duration,
        ping_at: Instant,
        answer_by: Option<Instant>,
    },
    /// The server pings.
    Theirs {
        interval: Duration,
        timeout: Duration,
        heard_at: Instant,
    },
}

/// Action that is due.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// Nothing before [`Heartbeat::due`].
    Wait,
    /// Send a ping.
    Ping,
    /// The server is gone, for this reason.
    Dead(String),
}

impl Heartbeat {
    /// The client pings (generation 3).
    pub fn ours(handshake: &Handshake, now: Instant) -> Self {
        Self::Ours {
            interval: handshake.ping_interval,
            timeout: handshake.ping_timeout,
            ping_at: now + handshake.ping_interval,
            answer_by: None,
        }
    }

    /// The server pings (generation 4).
    pub fn theirs(handshake: &Handshake, now: Instant) -> Self {
        Self::Theirs {
            interval: handshake.ping_interval,
            timeout: handshake.ping_timeout,
            heard_at: now,
        }
    }

    /// Instant at which [`Heartbeat::beat`] is due.
    pub fn due(&self) -> Instant {
        match self {
            Self::Ours {
                ping_at, answer_by, ..
            } => answer_by.map_or(*ping_at, |by| by.min(*ping_at)),
            Self::Theirs {
                interval,
                timeout,
                heard_at,
            } => *heard_at + *interval + *timeout,
        }
    }

    /// The action that is due at `now`.
    pub fn beat(&mut self, now: Instant) -> Beat {
        match self {
            Self::Ours {
                interval,
                timeout,
                ping_at,
                answer_by,
            } => {
                if answer_by.is_some_and(|by| by <= now) {
                    return Beat::Dead(format!(
                        "the server did not answer a ping within {timeout:?}; the connection is dead"
                    ));
                }
                if *ping_at > now {
                    return Beat::Wait;
                }
                *ping_at = now + *interval;
                // One ping at a time: if the timeout exceeds the interval, the first pong is
                // awaited.
                if answer_by.is_some() {
                    return Beat::Wait;
                }
                *answer_by = Some(now + *timeout);
                Beat::Ping
            }
            Self::Theirs {
                interval, timeout, ..
            } => {
                let silence = *interval + *timeout;
                if self.due() > now {
                    return Beat::Wait;
                }
                Beat::Dead(format!(
                    "the server sent nothing for {silence:?}, not even a ping; the connection is dead"
                ))
            }
        }
    }

    /// Records that something arrived, which proves the server alive: the pong may be queued behind
    /// a large message. Also called while reading is paused, since silence proves nothing then.
    pub fn on_received(&mut self, now: Instant) {
        match self {
            Self::Ours { answer_by, .. } => *answer_by = None,
            Self::Theirs { heard_at, .. } => *heard_at = now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handshake() -> Handshake {
        Handshake {
            sid: "s".into(),
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(60),
            max_payload: None,
        }
    }

    #[test]
    fn the_client_pings_and_misses_the_answer() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut heartbeat = Heartbeat::ours(&handshake(), start);
        assert_eq!(heartbeat.due(), at(25));
        assert_eq!(heartbeat.beat(at(24)), Beat::Wait);
        assert_eq!(heartbeat.beat(at(25)), Beat::Ping);
        heartbeat.on_received(at(26));
        assert_eq!(heartbeat.beat(at(50)), Beat::Ping);
        assert_eq!(heartbeat.beat(at(75)), Beat::Wait);
        assert_eq!(heartbeat.due(), at(100));
        assert_eq!(heartbeat.beat(at(109)), Beat::Wait);
        assert!(matches!(heartbeat.beat(at(110)), Beat::Dead(_)));
    }

    #[test]
    fn the_server_pings_or_is_dead() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut heartbeat = Heartbeat::theirs(&handshake(), start);
        assert_eq!(heartbeat.due(), at(85));
        heartbeat.on_received(at(80));
        assert_eq!(heartbeat.beat(at(85)), Beat::Wait);
        assert!(matches!(heartbeat.beat(at(165)), Beat::Dead(_)));
    }
}
