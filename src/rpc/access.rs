//! Access checks of the gRPC door: every call asks the access room, so that no handler has a rule
//! of its own.
//!
//! Listeners belong to the user that opened them: reading, cancelling or clearing another user's
//! needs the verb `admin` on the listener's channel, and without it they seem not to exist. Callers
//! over TCP cannot be told apart and count as one user. Without rules all of this is open.

use std::sync::Arc;

use tonic::Status;

use super::context::ServiceContext;
use super::permission::StreamPermission;
use crate::access::{AccessPolicy, Action, Caller, Refusal, Rights, Verb};
use crate::bridge::{Bridge, Bridges};
use crate::router::{InstanceId, ListenerInfo};
use expd_domain::Channel;

/// The caller of a request, as its connection identifies it.
pub fn caller_of(extensions: &http::Extensions) -> Caller {
    // Every connection of the server has a caller; of any other nothing is known.
    extensions
        .get::<Caller>()
        .cloned()
        .unwrap_or_else(Caller::unknown)
}

impl ServiceContext {
    /// Refuses a caller whom no rule allows anything on an instance, whether or not that exists.
    pub(super) async fn allow_instance(
        &self,
        caller: &Caller,
        verb: Verb,
        instance: &str,
    ) -> Result<(), Status> {
        let policy = self.policy();
        let instance = Bridges::full_name(instance);
        answer(policy.rights(caller).check_instance(verb, instance)).await
    }

    /// Names of the instances on which a caller may do anything, for messages.
    pub(super) fn instances_for(&self, caller: &Caller) -> String {
        let policy = self.policy();
        let rights = policy.rights(caller);
        let names = self.bridges.iter().map(|bridge| bridge.name.as_str());
        let names: Vec<&str> = names
            .filter(|name| rights.permits_anything_on(name))
            .collect();
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        }
    }

    /// Decides whether a caller may do something on an instance.
    pub(super) async fn allow(
        &self,
        caller: &Caller,
        bridge: &Bridge,
        action: &Action<'_>,
    ) -> Result<(), Status> {
        let checked = self.policy().check(caller, &bridge.name, action);
        answer(checked).await
    }

    /// The same without a reason.
    pub(super) fn permits(&self, caller: &Caller, bridge: &Bridge, action: &Action<'_>) -> bool {
        self.policy().rights(caller).permits(&bridge.name, action)
    }

    /// Refuses a caller who may see the status of no instance; [`View`] then tells which it sees.
    pub(super) async fn allow_status(&self, caller: &Caller) -> Result<(), Status> {
        let policy = self.policy();
        let names = self.bridges.iter().map(|bridge| bridge.name.as_str());
        answer(policy.rights(caller).check_status_of_any(names)).await
    }

    /// The part of the status that a caller may see.
    pub(super) fn view(&self, caller: &Caller) -> View {
        View {
            policy: self.policy(),
            caller: caller.clone(),
        }
    }

    /// Decides whether a caller may read or end a listener. One that does not exist is left to the
    /// lookup that follows.
    ///
    /// # Errors
    /// [`Untouchable::Unknown`] for another user's, of which a caller without `admin` learns
    /// neither its existence nor its channel.
    pub(super) async fn allow_listener(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<(), Untouchable> {
        let policy = self.policy();
        if policy.is_open() {
            return Ok(());
        }
        let info = self.router.listener_info(id.to_owned()).await;
        let info = info.map_err(|error| Untouchable::Told(error.into()))?;
        let Some(info) = info else {
            return Ok(());
        };
        match check_listener(&policy.rights(caller), &info, &self.instance_names()) {
            Err(Refusal::HiddenListener) => Err(Untouchable::Unknown),
            checked => answer(checked).await.map_err(Untouchable::Told),
        }
    }

    /// Filter for the listeners of a context that a caller may end.
    pub(super) async fn allow_clearing(
        &self,
        caller: &Caller,
    ) -> Result<impl Fn(&ListenerInfo) -> bool + Send + 'static, Status> {
        let policy = self.policy();
        answer(policy.rights(caller).check_clear_context()).await?;
        let (names, caller) = (self.instance_names(), caller.clone());
        Ok(
            move |info: &ListenerInfo| {
                check_listener(&policy.rights(&caller), info, &names).is_ok()
            },
        )
    }

    /// Permission of a stream to go on, checked again whenever the access rules are reloaded.
    pub(super) fn stream_permission(
        &self,
        caller: &Caller,
        bridge: &Bridge,
        channel: &Channel,
    ) -> StreamPermission {
        let policies = self.access.clone();
        StreamPermission::new(policies, caller.clone(), &bridge.name, channel.clone())
    }

    fn policy(&self) -> Arc<AccessPolicy> {
        self.access.borrow().clone()
    }

    fn instance_names(&self) -> Vec<(InstanceId, String)> {
        let named = self.bridges.iter().map(|b| (b.instance, b.name.clone()));
        named.collect()
    }
}

/// Decides whether a caller may read or end a listener.
fn check_listener(
    rights: &Rights<'_>,
    info: &ListenerInfo,
    names: &[(InstanceId, String)],
) -> Result<(), Refusal> {
    let name = names
        .iter()
        .find(|(instance, _)| *instance == info.instance);
    let action = Action::UseListener {
        owner: info.peer.map(|peer| peer.uid),
        channel: &info.channel,
    };
    rights.check(name.map_or("", |(_, name)| name), &action)
}

/// Reason for which a caller may not read or end a listener.
#[derive(Debug)]
pub(super) enum Untouchable {
    /// It seems not to exist.
    Unknown,
    /// A refusal with its reason.
    Told(Status),
}

impl Untouchable {
    /// The refusal as a status; `unknown` is that of a listener that does not exist.
    pub(super) fn or(self, unknown: impl FnOnce() -> Status) -> Status {
        match self {
            Self::Unknown => unknown(),
            Self::Told(status) => status,
        }
    }
}

/// A decision as a status, which names the caller.
async fn answer(checked: Result<(), Refusal>) -> Result<(), Status> {
    match checked {
        Ok(()) => Ok(()),
        Err(refusal) => Err(refused(refusal).await),
    }
}

/// A refusal as a status, which names the caller.
pub(super) async fn refused(refusal: Refusal) -> Status {
    if let Some(caller) = refusal.caller() {
        caller.resolve_name().await;
    }
    log::debug!("refused: {refusal}");
    refusal.into()
}

/// The part of the status that a caller may see: the instances of its rules, with their channels
/// and listeners.
pub(super) struct View {
    policy: Arc<AccessPolicy>,
    caller: Caller,
}

impl View {
    /// True if an instance is visible.
    pub(super) fn instance(&self, name: &str) -> bool {
        let rights = self.policy.rights(&self.caller);
        rights.permits(name, &Action::ReadStatus)
    }

    /// Refuses an instance that is not visible.
    ///
    /// # Errors
    /// The caller may not see it.
    pub(super) fn check(&self, name: &str) -> Result<(), Refusal> {
        let rights = self.policy.rights(&self.caller);
        rights.check(name, &Action::ReadStatus)
    }

    /// A filter for the channels of an instance.
    pub(super) fn channels<'a>(&'a self, instance: &'a str) -> impl Fn(&Channel) -> bool + 'a {
        let rights = self.policy.rights(&self.caller);
        move |channel| rights.permits(instance, &Action::ReadChannelStatus(channel))
    }
}
