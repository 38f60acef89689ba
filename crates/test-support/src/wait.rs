//! Waiting for a condition, with the one deadline.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

/// Bound on everything that a test waits for. It says that something never comes, and measures
/// nothing: a busy machine may take most of it.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Pause between two looks at a condition that nobody announces.
const PAUSE: Duration = Duration::from_millis(10);

/// Asks until the answer is good; panics with the last one where it never was.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(seen) => assert!(Instant::now() < end, "never: {what}; last seen: {seen}"),
        }
        sleep(PAUSE).await;
    }
}

/// Waits until a condition holds.
pub async fn until(what: &str, is_so: impl Fn() -> bool) {
    let look = async || is_so().then_some(()).ok_or_else(String::new);
    eventually(what, look).await;
}

/// Output of a future that ends before the deadline.
pub async fn in_time<F: Future>(what: &str, future: F) -> F::Output {
    let Ok(output) = timeout(DEADLINE, future).await else {
        panic!("never: {what}");
    };
    output
}
