//! Logins that are caused by refused tokens, made rare where they do not help.

use std::time::Duration;

use tokio::time::Instant;

use crate::upstream::backoff::Backoff;

/// Schedule of logins after refused tokens.
pub(super) struct Renewals {
    backoff: Backoff,
    reset_after: Duration,
    last: Option<Instant>,
    /// Instant from which a refused token leads to a login at once; an earlier refusal waits for
    /// it.
    pub(super) allowed_at: Instant,
}

impl Renewals {
    pub(super) fn new(waits: (Duration, Duration)) -> Self {
        Self {
            backoff: Backoff::new(waits.0, waits.1),
            reset_after: waits.1 * 2,
            last: None,
            allowed_at: Instant::now(),
        }
    }

    /// Notes a login after a refused token. The next one for this reason has to wait.
    pub(super) fn begin(&mut self) {
        let now = Instant::now();
        if self.last.is_none_or(|last| now - last > self.reset_after) {
            self.backoff.reset();
        }
        self.last = Some(now);
        self.allowed_at = now + self.backoff.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn logins_after_refused_tokens_grow_rare_where_they_do_not_help() {
        let mut renewals = Renewals::new((Duration::from_secs(2), Duration::from_secs(120)));
        let began = Instant::now();
        let mut logins = 0;
        while began.elapsed() < Duration::from_secs(3600) {
            tokio::time::sleep_until(renewals.allowed_at).await;
            renewals.begin();
            logins += 1;
        }
        assert!((30..120).contains(&logins), "{logins} in an hour");
        tokio::time::advance(Duration::from_secs(600)).await;
        renewals.begin();
        let wait = renewals.allowed_at - Instant::now();
        assert!(
            wait <= Duration::from_secs(2),
            "the waits have started over"
        );
    }
}
