//! Tasks that stop together.

use std::time::Duration;

use futures_util::future::pending;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::error::DaemonError;

/// Tasks with the token that stops them. One that ends before the shutdown takes the daemon down,
/// and is named in the error: half a daemon is worse than none.
#[derive(Default)]
pub(super) struct TaskGroup {
    tasks: JoinSet<(&'static str, Result<(), DaemonError>)>,
    pub(super) stop: CancellationToken,
}

impl TaskGroup {
    /// Starts a task.
    pub(super) fn spawn(
        &mut self,
        name: &'static str,
        task: impl Future<Output = Result<(), DaemonError>> + Send + 'static,
    ) {
        // Boxed: the largest takes some 10 KB, and the runtime moves a task about on the stack.
        let task = Box::pin(task);
        self.tasks.spawn(async move { (name, task.await) });
    }

    /// Starts a task that cannot fail.
    pub(super) fn spawn_infallible(
        &mut self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        self.spawn(name, async move {
            task.await;
            Ok(())
        });
    }

    /// Waits for all tasks to end. Aborts those that take longer than `limit`; false then.
    pub(super) async fn ended(&mut self, limit: Duration) -> bool {
        let all = async { while self.tasks.join_next().await.is_some() {} };
        let in_time = timeout(limit, all).await.is_ok();
        self.tasks.shutdown().await;
        in_time
    }

    /// Waits for a task that ends without being stopped, and names it.
    pub(super) async fn failed(&mut self) -> DaemonError {
        match self.tasks.join_next().await {
            Some(Ok((_, Err(error)))) => error,
            Some(Ok((name, Ok(())))) => DaemonError::Task(name),
            Some(Err(error)) => DaemonError::Panicked(error.to_string()),
            // This group has no tasks.
            None => pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use expd_test_support::in_time;

    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_or_ends_by_itself_is_found_at_once() {
        let mut links = TaskGroup::default();
        links.spawn("a session", async { pending().await });
        links.spawn("a link", async { panic!("a defect") });
        let found = in_time("the panic is found", links.failed()).await;
        assert!(
            matches!(&found, DaemonError::Panicked(what) if what.contains("a defect")),
            "{found:?}"
        );
        links.spawn("a link", async { Ok(()) });
        let found = in_time("the end is found", links.failed()).await;
        assert!(matches!(found, DaemonError::Task("a link")), "{found:?}");
        assert!(!links.ended(Duration::from_millis(10)).await);
    }
}
