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
use crate::access::{AccessPolicy, Action, Caller, PeerFields, Refusal, Rights, Verb};
use crate::bridge::{Bridge, Bridges};
use crate::journal::JournalEvent;
use crate::router::ListenerInfo;
use expd_domain::Channel;

/// The caller's user; none over TCP.
pub(super) fn user_of(caller: &Caller) -> Option<u32> {
    caller.peer().map(|peer| peer.uid)
}

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
        self.answer(policy.rights(caller).check_instance(verb, instance))
            .await
    }

    /// True for an instance on which the caller may do anything: of others it learns nothing.
    pub(super) fn knows(&self, caller: &Caller, instance: &str) -> bool {
        let policy = self.policy();
        policy.rights(caller).permits_anything_on(instance)
    }

    /// Names of the instances on which a caller may do anything, for messages.
    pub(super) fn instances_for(&self, caller: &Caller) -> String {
        let policy = self.policy();
        let rights = policy.rights(caller);
        let bridges = self.bridges.for_user(user_of(caller));
        let names = bridges.iter().map(|bridge| bridge.name.as_str());
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
        self.answer(checked).await
    }

    /// The same without a reason.
    pub(super) fn permits(&self, caller: &Caller, bridge: &Bridge, action: &Action<'_>) -> bool {
        self.policy().rights(caller).permits(&bridge.name, action)
    }

    /// Decides whether a caller may run an identity as an instance of that name.
    pub(super) async fn allow_run(&self, caller: &Caller, name: &str) -> Result<(), Status> {
        self.answer(self.policy().check(caller, name, &Action::Run))
            .await
    }

    /// Decides whether a caller may ask what others may do on an instance.
    pub(super) async fn allow_explaining(
        &self,
        caller: &Caller,
        instance: &str,
    ) -> Result<(), Status> {
        let checked = (self.policy()).check(caller, instance, &Action::Administer(None));
        self.answer(checked).await
    }

    /// Refuses a caller who may see the status of no instance; [`View`] then tells which it sees.
    pub(super) async fn allow_status(&self, caller: &Caller) -> Result<(), Status> {
        let policy = self.policy();
        let bridges = self.bridges.for_user(user_of(caller));
        let names = bridges.iter().map(|bridge| bridge.name.as_str());
        self.answer(policy.rights(caller).check_status_of_any(names))
            .await
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
        if policy.is_open() && self.bridges.transient_count() == 0 {
            return Ok(());
        }
        let info = self.router.listener_info(id.to_owned()).await;
        let info = info.map_err(|error| Untouchable::Told(error.into()))?;
        let Some(info) = info else {
            return Ok(());
        };
        match check_listener(&policy.rights(caller), &info, &self.bridges) {
            Err(Refusal::HiddenListener) => {
                self.counters.refused.inc(Refusal::HiddenListener.what());
                Err(Untouchable::Unknown)
            }
            checked => self.answer(checked).await.map_err(Untouchable::Told),
        }
    }

    /// Filter for the listeners of a context that a caller may end.
    pub(super) async fn allow_clearing(
        &self,
        caller: &Caller,
    ) -> Result<impl Fn(&ListenerInfo) -> bool + Send + 'static, Status> {
        let policy = self.policy();
        self.answer(policy.rights(caller).check_clear_context())
            .await?;
        let (bridges, caller) = (self.bridges.clone(), caller.clone());
        Ok(move |info: &ListenerInfo| {
            check_listener(&policy.rights(&caller), info, &bridges).is_ok()
        })
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

    /// A decision as a status, which names the caller.
    async fn answer(&self, checked: Result<(), Refusal>) -> Result<(), Status> {
        match checked {
            Ok(()) => Ok(()),
            Err(refusal) => Err(self.refused(refusal).await),
        }
    }

    /// A refusal as a status, which names the caller; it is counted.
    pub(super) async fn refused(&self, refusal: Refusal) -> Status {
        self.counters.refused.inc(refusal.what());
        if let Some(caller) = refusal.caller() {
            caller.resolve_name().await;
        }
        if let Refusal::Denied { caller, .. } | Refusal::NoRights(caller) = &refusal {
            let verb = match &refusal {
                Refusal::Denied { verb, .. } => verb.name(),
                _ => "",
            };
            let peer = PeerFields::of(caller);
            log::warn!(
                event = JournalEvent::AccessDenied,
                peer_pid = peer.pid,
                peer_uid = peer.uid,
                peer_unit = peer.unit,
                verb = verb;
                "{refusal}"
            );
        } else {
            log::debug!("refused: {refusal}");
        }
        refusal.into()
    }

    fn policy(&self) -> Arc<AccessPolicy> {
        self.access.borrow().clone()
    }
}

/// Decides whether a caller may read or end a listener.
fn check_listener(
    rights: &Rights<'_>,
    info: &ListenerInfo,
    bridges: &Bridges,
) -> Result<(), Refusal> {
    let owner = info.peer.map(|peer| peer.uid);
    let channel = &info.channel;
    let action = match info.page {
        Some(_) => Action::UsePageListener(channel),
        None => Action::UseListener { owner, channel },
    };
    if let Some(configured) = bridges.iter().find(|b| b.instance == info.instance) {
        return rights.check(&configured.name, &action);
    }
    // The user who runs an instance is the only one who listens on it, and nobody else learns of
    // that, whatever the rules allow.
    let user = owner.filter(|_| rights.is_of(owner));
    let own = user.and_then(|user| bridges.run_as(user, info.instance));
    let own = own.ok_or(Refusal::HiddenListener)?;
    rights.check(&own.name, &action)
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

/// The part of the status that a caller may see: the instances of its rules, with their channels
/// and listeners.
pub(super) struct View {
    policy: Arc<AccessPolicy>,
    caller: Caller,
}

impl View {
    /// The instances that the caller could see: the configured ones, then those of its user.
    pub(super) fn bridges(&self, bridges: &Bridges) -> Vec<Arc<Bridge>> {
        bridges.for_user(user_of(&self.caller))
    }

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
