//! Waiting for a condition, with the one deadline.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

/// Bound on everything that a test waits for. It says that something never comes, and measures
/// nothing: a busy machine may take most of it.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Pause between two looks at a condition that nobody announces.
const PAUSE: Duration = Duration::from_millis(10);

/// Asks until the answer is good; panics with the last one where it never was.
pub async fn eventually<T>(what: &str, ask: impl AsyncFnMut() -> Result<T, String>) -> T {
    eventually_within(DEADLINE, what, ask).await
}

/// As [`eventually`], within a time that is itself promised, or in which something lasts that the
/// test cannot shorten.
pub async fn eventually_within<T>(
    within: Duration,
    what: &str,
    mut ask: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let end = Instant::now() + within;
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(seen) => assert!(
                Instant::now() < end,
                "never within {within:?}: {what}; last seen: {seen}"
            ),
        }
        sleep(PAUSE).await;
    }
}

/// As [`eventually`], in a test without a runtime.
pub fn eventually_blocking<T>(what: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let end = std::time::Instant::now() + DEADLINE;
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(seen) => assert!(
                std::time::Instant::now() < end,
                "never within {DEADLINE:?}: {what}; last seen: {seen}"
            ),
        }
        // Nothing else runs on this thread; a wake-up before the time is only one more look.
        std::thread::park_timeout(PAUSE);
    }
}

/// Waits until a condition holds.
pub async fn until(what: &str, is_so: impl Fn() -> bool) {
    let look = async || is_so().then_some(()).ok_or_else(|| "not so".to_owned());
    eventually(what, look).await;
}

/// Output of a future that ends before the deadline.
pub async fn in_time<F: Future>(what: &str, future: F) -> F::Output {
    let Ok(output) = timeout(DEADLINE, future).await else {
        panic!("never within {DEADLINE:?}: {what}");
    };
    output
}
