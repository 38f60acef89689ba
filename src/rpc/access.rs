//! Access checks of the gRPC door: every call asks the access room, so that no handler has a rule
//! of its own.
//!
//! Listeners belong to the user who opened them, or over TCP to the bearers of the token. Reading,
//! cancelling or clearing another owner's listener needs the verb `admin` on its channel; without
//! it, the listener seems not to exist. Without access rules, all of this is open.

use std::sync::Arc;

use tonic::Status;

use super::context::ServiceContext;
use super::permission::StreamPermission;
use crate::access::{
    AccessPolicy, Action, Caller, ListenerOwner, Refusal, Rights, Verb, report_refusal,
};
use crate::bridge::{Bridge, Bridges};
use crate::router::ListenerInfo;
use crate::shares::Holder;
use expd_domain::{Channel, NameSet};

/// The caller of a request, as its connection identifies it.
pub fn caller_of(extensions: &http::Extensions) -> Caller {
    // Every connection of the server sets a caller; a request without one is from an unknown
    // caller.
    extensions
        .get::<Caller>()
        .cloned()
        .unwrap_or_else(Caller::unknown)
}

impl ServiceContext {
    /// Refuses a caller to whom no rule grants anything on an instance, whether or not it exists.
    pub(super) async fn allow_instance(
        &self,
        caller: &Caller,
        verb: Verb,
        instance: &str,
    ) -> Result<(), Status> {
        let policy = self.policy();
        let instance = Bridges::full_name(instance);
        let checked = policy.rights(caller).check_instance(verb, instance);
        self.answer(caller, checked).await
    }

    /// True if the caller has some permission on an instance; it learns nothing about others.
    pub(super) fn knows(&self, caller: &Caller, instance: &str) -> bool {
        let policy = self.policy();
        policy.rights(caller).permits_anything_on(instance)
    }

    /// Names of the instances on which a caller has some permission, for messages.
    pub(super) fn instances_for(&self, caller: &Caller) -> String {
        let policy = self.policy();
        let rights = policy.rights(caller);
        let bridges = self.bridges.for_user(caller.user());
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
        self.answer(caller, checked).await
    }

    /// Decides whether a caller may listen, and returns the names of the events that it may
    /// receive.
    pub(super) async fn allow_listening(
        &self,
        caller: &Caller,
        bridge: &Bridge,
        channel: &Channel,
        event: Option<&str>,
    ) -> Result<NameSet, Status> {
        let policy = self.policy();
        let rights = policy.rights(caller);
        let checked = rights.check(&bridge.name, &Action::Listen(channel, event));
        let events = match event {
            Some(_) => NameSet::All,
            None => rights.heard_events(&bridge.name, channel),
        };
        drop(rights);
        self.answer(caller, checked).await?;
        Ok(events)
    }

    /// True if [`Self::allow`] would allow it; a refusal is not reported.
    pub(super) fn permits(&self, caller: &Caller, bridge: &Bridge, action: &Action<'_>) -> bool {
        self.policy().rights(caller).permits(&bridge.name, action)
    }

    /// Decides whether a caller may run an identity as an instance of that name.
    pub(super) async fn allow_run(&self, caller: &Caller, name: &str) -> Result<(), Status> {
        let checked = self.policy().check(caller, name, &Action::Run);
        self.answer(caller, checked).await
    }

    /// Decides whether a caller may ask about the permissions of others on an instance.
    pub(super) async fn allow_explaining(
        &self,
        caller: &Caller,
        instance: &str,
    ) -> Result<(), Status> {
        let checked = (self.policy()).check(caller, instance, &Action::Administer(None));
        self.answer(caller, checked).await
    }

    /// Refuses a caller that may not see the status of any instance; [`View`] selects the visible
    /// ones.
    pub(super) async fn allow_status(&self, caller: &Caller) -> Result<(), Status> {
        let policy = self.policy();
        let bridges = self.bridges.for_user(caller.user());
        let names = bridges.iter().map(|bridge| bridge.name.as_str());
        let checked = policy.rights(caller).check_status_of_any(names);
        self.answer(caller, checked).await
    }

    /// The part of the status that a caller may see.
    pub(super) fn view(&self, caller: &Caller) -> View {
        View {
            policy: self.policy(),
            caller: caller.clone(),
        }
    }

    /// Decides whether a caller may read or end a listener, and returns the events that it may
    /// read. An unknown listener passes: the lookup that follows refuses it.
    ///
    /// # Errors
    /// [`ListenerDenied::Unknown`] for another user's listener: a caller without `admin` learns
    /// neither that it exists nor its channel.
    pub(super) async fn allow_listener(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<NameSet, ListenerDenied> {
        let policy = self.policy();
        if policy.is_open_to(caller) && self.bridges.transient_count() == 0 {
            return Ok(NameSet::All);
        }
        let info = self.router.listener_info(id.to_owned()).await;
        let info = info.map_err(|error| ListenerDenied::WithStatus(error.into()))?;
        let Some(info) = info else {
            return Ok(NameSet::All);
        };
        let rights = policy.rights(caller);
        match check_listener(&rights, &info, &self.bridges) {
            Ok(bridge) => {
                let event = event_of(&info);
                Ok(rights.readable_events(&bridge.name, &info.channel, event))
            }
            Err(refusal) => {
                let is_hidden = matches!(refusal, Refusal::HiddenListener);
                let status = self.refused(caller, refusal).await;
                Err(if is_hidden {
                    ListenerDenied::Unknown
                } else {
                    ListenerDenied::WithStatus(status)
                })
            }
        }
    }

    /// Filter for the listeners of a context that a caller may end.
    pub(super) async fn allow_clearing(
        &self,
        caller: &Caller,
    ) -> Result<impl Fn(&ListenerInfo) -> bool + Send + 'static, Status> {
        let policy = self.policy();
        let checked = policy.rights(caller).check_clear_context();
        self.answer(caller, checked).await?;
        let (bridges, caller) = (self.bridges.clone(), caller.clone());
        Ok(move |info: &ListenerInfo| {
            check_listener(&policy.rights(&caller), info, &bridges).is_ok()
        })
    }

    /// Permission of an open stream, checked again whenever the access rules are reloaded.
    pub(super) fn stream_permission(
        &self,
        caller: &Caller,
        bridge: &Bridge,
        channel: &Channel,
        event: Option<&str>,
    ) -> StreamPermission {
        let policies = self.access.clone();
        let event = event.map(str::to_owned);
        StreamPermission::new(
            policies,
            caller.clone(),
            &bridge.name,
            channel.clone(),
            event,
        )
    }

    /// Converts a decision to a status, which names the caller.
    async fn answer(&self, caller: &Caller, checked: Result<(), Refusal>) -> Result<(), Status> {
        match checked {
            Ok(()) => Ok(()),
            Err(refusal) => Err(self.refused(caller, refusal).await),
        }
    }

    /// Converts a refusal to a status, which names the caller, and reports it to operators.
    pub(super) async fn refused(&self, caller: &Caller, refusal: Refusal) -> Status {
        if let Some(named) = refusal.caller() {
            named.resolve_name().await;
        }
        report_refusal(&refusal, caller, &self.counters);
        refusal.into()
    }

    fn policy(&self) -> Arc<AccessPolicy> {
        self.access.borrow().clone()
    }
}

/// Decides whether a caller may read or end a listener, and returns the listener's instance.
fn check_listener(
    rights: &Rights<'_>,
    info: &ListenerInfo,
    bridges: &Bridges,
) -> Result<Arc<Bridge>, Refusal> {
    let user = info.peer.map(|peer| peer.uid);
    let owner = match (user, &info.token, &info.page) {
        (Some(user), ..) => ListenerOwner::User(user),
        (None, Some(token), _) => ListenerOwner::Token(token.clone()),
        (None, None, Some(_)) => ListenerOwner::Pages,
        (None, None, None) => ListenerOwner::Unknown,
    };
    let action = Action::UseListener {
        owner: &owner,
        channel: &info.channel,
        event: event_of(info),
    };
    let mut all = bridges.iter();
    let found = all.find(|bridge| bridge.instance == info.instance);
    // Only the user who runs a transient instance can listen on it, and nobody else learns of its
    // listeners, whatever the rules allow.
    let own = || {
        let user = user.filter(|_| rights.is_of(user))?;
        bridges.run_as(user, info.instance)
    };
    let bridge = found.or_else(own).ok_or(Refusal::HiddenListener)?;
    rights.check(&bridge.name, &action)?;
    Ok(bridge)
}

/// The event that a listener asked for; none for all.
fn event_of(info: &ListenerInfo) -> Option<&str> {
    Some(&*info.name).filter(|name| !name.is_empty())
}

/// Reason why a caller may not read or end a listener.
#[derive(Debug)]
pub(super) enum ListenerDenied {
    /// Answered as if it did not exist.
    Unknown,
    /// A refusal with its reason.
    WithStatus(Status),
}

impl ListenerDenied {
    /// Converts to a status; `unknown` makes that of a listener that does not exist.
    pub(super) fn or(self, unknown: impl FnOnce() -> Status) -> Status {
        match self {
            Self::Unknown => unknown(),
            Self::WithStatus(status) => status,
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
    /// Candidates for the view: the configured instances, then those that the caller's user runs.
    pub(super) fn bridges(&self, bridges: &Bridges) -> Vec<Arc<Bridge>> {
        bridges.for_user(self.caller.user())
    }

    /// The user as a holder of shares.
    pub(super) fn holder(&self) -> Holder {
        Holder::of(self.caller.user())
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
