//! Permission of an open stream, and the events that it may receive.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::sync::watch;
use tokio::task::unconstrained;
use tonic::Status;

use crate::access::{AccessPolicy, Action, Caller};
use expd_domain::{Channel, NameSet};

/// Permission of an open stream to a channel, checked again whenever the access rules are reloaded.
pub(super) struct StreamPermission {
    policies: watch::Receiver<Arc<AccessPolicy>>,
    /// Wakes a stream that waits.
    change: PolicyChange,
    /// The waker that `change` holds. Comparing it spares polling `change` after each delivery.
    registered: Option<Waker>,
    caller: Caller,
    instance: String,
    channel: Channel,
    /// The event that the stream asked for; none for all.
    event: Option<String>,
}

impl StreamPermission {
    /// Permission to listen to `channel` of `instance`, under the policies from now on.
    pub(super) fn new(
        policies: watch::Receiver<Arc<AccessPolicy>>,
        caller: Caller,
        instance: &str,
        channel: Channel,
        event: Option<String>,
    ) -> Self {
        Self {
            change: next_change(policies.clone()),
            registered: None,
            policies,
            caller,
            instance: instance.to_owned(),
            channel,
            event,
        }
    }

    /// Checks the permission again where the policy has changed; returns the events that the stream
    /// may hear under the new one.
    ///
    /// # Errors
    /// The new policy revokes it.
    #[inline]
    pub(super) fn check(&mut self) -> Result<Option<NameSet>, Status> {
        // An error means that the daemon stops, which the stream's listener reports.
        if !self.policies.has_changed().unwrap_or(false) {
            return Ok(None);
        }
        self.check_again().map(Some)
    }

    #[cold]
    fn check_again(&mut self) -> Result<NameSet, Status> {
        // The change that `change` waited for has woken the stream.
        self.registered = None;
        let policy = self.policies.borrow_and_update().clone();
        let event = self.event.as_deref();
        let rights = policy.rights(&self.caller);
        rights.check(&self.instance, &Action::Listen(&self.channel, event))?;
        Ok(match event {
            Some(_) => NameSet::All,
            None => rights.heard_events(&self.instance, &self.channel),
        })
    }

    /// Registers the stream's waker for the next change of the policy; ready where it has changed
    /// already.
    #[inline]
    pub(super) fn poll_changed(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let registered = self.registered.as_ref();
        if registered.is_some_and(|waker| waker.will_wake(context.waker())) {
            return Poll::Pending;
        }
        self.poll_changes(context)
    }

    #[cold]
    fn poll_changes(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Poll::Ready(policies) = self.change.as_mut().poll(context) {
            self.change = next_change(policies);
            self.registered = None;
            return Poll::Ready(());
        }
        self.registered = Some(context.waker().clone());
        Poll::Pending
    }
}

/// Resolves to the receiver once the policy has changed.
type PolicyChange = Pin<Box<dyn Future<Output = watch::Receiver<Arc<AccessPolicy>>> + Send>>;

fn next_change(mut policies: watch::Receiver<Arc<AccessPolicy>>) -> PolicyChange {
    policies.mark_unchanged();
    // Unconstrained: without budget left, the task would be polled again with no waker registered.
    Box::pin(unconstrained(async move {
        if policies.changed().await.is_err() {
            // The daemon stops, which the stream's listener reports.
            pending::<()>().await;
        }
        policies
    }))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;
    use crate::access::Peer;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn permission(policies: &watch::Sender<Arc<AccessPolicy>>) -> StreamPermission {
        let caller = Caller::local(Peer {
            pid: 0,
            uid: 1,
            gid: 1,
        });
        let channel = Channel::new("menu");
        StreamPermission::new(policies.subscribe(), caller, "default", channel, None)
    }

    #[test]
    fn a_waiting_stream_is_woken_by_each_reload_and_by_its_last_waker() {
        let open = Arc::new(AccessPolicy::new(&[]));
        let policies = watch::Sender::new(open.clone());
        let mut permission = permission(&policies);
        for _ in 0..3 {
            let [first, last] = [(); 2].map(|()| Arc::new(Wakes::default()));
            for wakes in [&first, &last, &last] {
                let waker = Waker::from(wakes.clone());
                let mut context = Context::from_waker(&waker);
                permission.check().unwrap();
                // Ready once more for a change that was checked already.
                while permission.poll_changed(&mut context).is_ready() {}
            }
            policies.send_replace(open.clone());
            let woken = [&first, &last].map(|wakes| wakes.0.load(Ordering::Relaxed));
            assert_eq!(woken, [0, 1]);
        }
    }

    #[test]
    fn a_change_between_the_check_and_the_wait_is_not_missed() {
        let open = Arc::new(AccessPolicy::new(&[]));
        let policies = watch::Sender::new(open.clone());
        let mut permission = permission(&policies);
        for _ in 0..3 {
            // Another one each time: one that waits already is woken by the change.
            let waker = Waker::from(Arc::new(Wakes::default()));
            let mut context = Context::from_waker(&waker);
            permission.check().unwrap();
            policies.send_replace(open.clone());
            assert!(permission.poll_changed(&mut context).is_ready());
            permission.check().unwrap();
            assert!(permission.poll_changed(&mut context).is_pending());
        }
        let mut context = Context::from_waker(Waker::noop());
        drop(policies);
        permission.check().unwrap();
        assert!(permission.poll_changed(&mut context).is_pending());
    }
}
