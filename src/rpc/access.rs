//! Where every call is held against the access policy, so that no handler has a rule of its own.
//!
//! Listeners belong to the user who opened them: reading, cancelling or clearing somebody else's takes the verb `admin` on the
//! listener's channel, and without it they are as if they were not there. Callers over TCP cannot be told apart, and count as one user. Without any rule all of this is open.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tonic::Status;

use super::context::ServiceContext;
use super::permission::StreamPermission;
use crate::access::{AccessPolicy, Caller, Denied, Place, Rights, Verb};
use crate::bridge::{Bridge, Bridges};
use crate::router::{InstanceId, ListenerInfo};
use expd_domain::{ApiPath, Channel, ChannelId, PathClass};

/// The caller of a request, as its connection knows it.
pub fn caller_of(extensions: &http::Extensions) -> Caller {
    // Every connection of ours says who it is; of any other nothing is known.
    extensions
        .get::<Caller>()
        .cloned()
        .unwrap_or_else(Caller::unknown)
}

impl ServiceContext {
    /// Whether any rule gives a caller anything on the instance of that name, whether or not there is one.
    pub(super) async fn allow_instance(
        &self,
        caller: &Caller,
        verb: Verb,
        instance: &str,
    ) -> Result<(), Status> {
        let policy = self.policy();
        let rights = policy.rights(caller);
        let instance = Bridges::full_name(instance);
        let checked = if rights.allow_anything_on(instance) {
            Ok(())
        } else {
            Err(rights.denied(verb, &Place::Instance(instance)))
        };
        refused(checked).await
    }

    /// The names of the instances on which a caller may do anything, for messages.
    pub(super) fn instances_for(&self, caller: &Caller) -> String {
        let policy = self.policy();
        let rights = policy.rights(caller);
        let names = self.bridges.iter().map(|bridge| bridge.name.as_str());
        let names: Vec<&str> = names
            .filter(|name| rights.allow_anything_on(name))
            .collect();
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        }
    }

    /// Whether a caller may listen or broadcast on a channel.
    pub(super) async fn allow(
        &self,
        caller: &Caller,
        verb: Verb,
        bridge: &Bridge,
        channel: &Channel,
    ) -> Result<(), Status> {
        let place = Place::Channel(&bridge.name, channel);
        let checked = self.policy().check(caller, verb, place);
        refused(checked).await
    }

    /// The same without a refusal in words.
    pub(super) fn allows(
        &self,
        caller: &Caller,
        verb: Verb,
        bridge: &Bridge,
        channel: &Channel,
    ) -> bool {
        let place = Place::Channel(&bridge.name, channel);
        self.policy().rights(caller).allow(verb, place)
    }

    /// Whether a caller may respond on the channel of that ID. An ID that does not say its channel is any channel.
    pub(super) async fn allow_respond(
        &self,
        caller: &Caller,
        bridge: &Bridge,
        channel: &ChannelId,
    ) -> Result<(), Status> {
        let decoded = channel.decode().ok();
        let place = match &decoded {
            Some((_, channel)) => Place::Channel(&bridge.name, channel),
            None => Place::AnyChannel(&bridge.name),
        };
        let checked = self.policy().check(caller, Verb::Respond, place);
        refused(checked).await
    }

    /// Whether a caller may send a request. Requests that broadcast, respond or hand out tokens need the rights for that, too:
    /// else `request` would stand for all of them.
    pub(super) async fn allow_request(
        &self,
        caller: &Caller,
        bridge: &Bridge,
        path: &ApiPath,
    ) -> Result<(), Status> {
        let policy = self.policy();
        let verbs: &[Verb] = match path.class() {
            PathClass::Resources => &[Verb::Request],
            PathClass::Network => &[Verb::Request, Verb::Broadcast, Verb::Respond],
            PathClass::Logins => &[Verb::Request, Verb::Admin],
        };
        let place = Place::AnyChannel(&bridge.name);
        let checked = verbs
            .iter()
            .try_for_each(|verb| policy.check(caller, *verb, place));
        refused(checked).await
    }

    /// Whether a caller may know as whom an instance is logged in.
    pub(super) async fn allow_identity(
        &self,
        caller: &Caller,
        bridge: &Bridge,
    ) -> Result<(), Status> {
        let policy = self.policy();
        if policy
            .check(caller, Verb::Request, Place::AnyChannel(&bridge.name))
            .is_ok()
        {
            return Ok(());
        }
        let checked = policy.check(caller, Verb::Status, Place::Instance(&bridge.name));
        refused(checked).await
    }

    /// The refusal to tell a caller of an instance any more.
    pub(super) fn sees_no_more(&self, caller: &Caller, instance: &str) -> Status {
        let policy = self.policy();
        let rights = policy.rights(caller);
        rights
            .denied(Verb::Status, &Place::Instance(instance))
            .into()
    }

    /// Whether a caller may see the status of any instance; [`View`] then says of which.
    pub(super) async fn allow_status(&self, caller: &Caller) -> Result<(), Status> {
        let policy = self.policy();
        let rights = policy.rights(caller);
        let sees = |bridge: &Arc<Bridge>| rights.allow(Verb::Status, Place::Instance(&bridge.name));
        let checked = if self.bridges.iter().any(sees) {
            Ok(())
        } else {
            Err(rights.denied(Verb::Status, &"of any instance"))
        };
        refused(checked).await
    }

    /// What a caller sees of the status.
    pub(super) fn view(&self, caller: &Caller) -> View {
        View {
            policy: self.policy(),
            caller: caller.clone(),
        }
    }

    /// Whether a caller may read or end a listener. One that does not exist is left to whoever looks for it next.
    ///
    /// # Errors
    /// [`Untouchable::Unknown`] for somebody else's, which a caller without `admin` is told nothing of: not that it is there,
    /// nor its channel.
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
        let names = self.instance_names();
        let rights = policy.rights(caller);
        let checked = may_touch(&rights, &info, &names);
        if checked.is_err() && !is_own(&rights, &info) {
            return Err(Untouchable::Unknown);
        }
        refused(checked).await.map_err(Untouchable::Told)
    }

    /// Which listeners of a context a caller may end.
    pub(super) async fn allow_clearing(
        &self,
        caller: &Caller,
    ) -> Result<impl Fn(&ListenerInfo) -> bool + Send + 'static, Status> {
        let policy = self.policy();
        let rights = policy.rights(caller);
        let checked = if rights.allow_somewhere(Verb::Listen) || rights.allow_somewhere(Verb::Admin)
        {
            Ok(())
        } else {
            Err(rights.denied(Verb::Listen, &"on any channel, nor clear a context"))
        };
        refused(checked).await?;
        let (names, caller) = (self.instance_names(), caller.clone());
        Ok(move |info: &ListenerInfo| may_touch(&policy.rights(&caller), info, &names).is_ok())
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

/// A listener is its user's, who must still be allowed to listen; anybody else needs `admin`.
fn may_touch(
    rights: &Rights<'_>,
    info: &ListenerInfo,
    names: &[(InstanceId, String)],
) -> Result<(), Denied> {
    let name = names
        .iter()
        .find(|(instance, _)| *instance == info.instance);
    let place = Place::Channel(name.map_or("", |(_, name)| name), &info.channel);
    if rights.allow(Verb::Admin, place) {
        return Ok(());
    }
    let own = is_own(rights, info);
    rights.check(if own { Verb::Listen } else { Verb::Admin }, place)
}

/// Whether the caller's user opened a listener.
fn is_own(rights: &Rights<'_>, info: &ListenerInfo) -> bool {
    let owner = info.peer.map(|peer| peer.uid);
    owner == rights.caller().peer().map(|peer| peer.uid)
}

/// Why a caller may not read or end a listener.
#[derive(Debug)]
pub(super) enum Untouchable {
    /// It is as if there were none.
    Unknown,
    /// A refusal that the caller may hear.
    Told(Status),
}

impl Untouchable {
    /// The refusal, with what is said where there is no such listener.
    pub(super) fn or(self, unknown: impl FnOnce() -> Status) -> Status {
        match self {
            Self::Unknown => unknown(),
            Self::Told(status) => status,
        }
    }
}

/// A refusal as a status, with the caller's name.
async fn refused(checked: Result<(), Denied>) -> Result<(), Status> {
    let Err(denied) = checked else {
        return Ok(());
    };
    named(denied.caller()).await;
    log::debug!("refused: {denied}");
    Err(denied.into())
}

/// Looks up a caller's name for a message. The system's name service may take its time, and a flood of refusals must not fill the
/// threads that wait for it: while others look, the name is left out.
pub(super) async fn named(caller: &Caller) {
    static LOOKS: Semaphore = Semaphore::const_new(4);
    let Some(look) = (!caller.is_named())
        .then(|| LOOKS.try_acquire().ok())
        .flatten()
    else {
        return;
    };
    let caller = caller.clone();
    let named = tokio::task::spawn_blocking(move || {
        let _look = look;
        caller.look_up_name();
    });
    // It fails when the runtime stops; the name is then left out.
    named.await.ok();
}

/// What a caller sees of the status: the instances of its rules, with the channels and listeners of its rules.
pub(super) struct View {
    policy: Arc<AccessPolicy>,
    caller: Caller,
}

impl View {
    /// Whether an instance is seen.
    pub(super) fn instance(&self, name: &str) -> bool {
        let rights = self.policy.rights(&self.caller);
        rights.allow(Verb::Status, Place::Instance(name))
    }

    /// A filter for the channels of an instance.
    pub(super) fn channels<'a>(&'a self, instance: &'a str) -> impl Fn(&Channel) -> bool + 'a {
        let rights = self.policy.rights(&self.caller);
        move |channel| rights.allow(Verb::Status, Place::Channel(instance, channel))
    }
}
