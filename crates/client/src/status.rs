//! What the daemon says of itself, as types, and how it comes off the wire. Each serializes as the contract's JSON mapping has it,
//! with counts as numbers.

use serde::Serialize;

use super::ClientError;
use super::event::{ChannelFields, Time, channel_from_wire};
use expd_domain::{Channel, IdentityKind, LinkState, Quoted};
use expd_proto as proto;

/// Everything: at one moment, or where there is much of it, at one shortly after the other.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The daemon's version.
    pub version: String,
    /// When it started.
    pub started_at: Option<Time>,
    /// One for each configured identity, `default` first.
    pub instances: Vec<InstanceStatus>,
}

/// One configured identity.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceStatus {
    /// Its name.
    pub instance: String,
    /// The configured API host.
    pub host: String,
    /// Absent before the first login.
    pub identity: Option<Identity>,
    /// Its way to EXP.
    pub link: LinkStatus,
    /// What is subscribed or wanted.
    pub channels: Vec<ChannelStatus>,
    /// Who listens.
    pub listeners: Vec<ListenerStatus>,
    /// Since the daemon started.
    pub counters: Counters,
    /// Broadcasts that wait for the connection.
    pub waiting_broadcasts: u32,
}

/// Who an instance is logged in as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The kind of credentials.
    #[serde(rename = "type")]
    pub kind: IdentityKind,
    /// Empty for a device that is not paired.
    pub uuid: String,
    /// Empty where EXP does not say.
    pub organization: String,
    /// In pairing mode: the code that an operator types.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pairing_code: Option<String>,
    /// Whether the identity is a full one.
    pub paired: bool,
}

/// An instance's way to EXP.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkStatus {
    /// How it is.
    pub state: LinkState,
    /// Since when.
    pub since: Option<Time>,
    /// Tries since it was last up.
    pub attempt: u32,
    /// What the last try failed with; empty when it did not.
    pub last_error: String,
    /// When the next try comes.
    pub next_try: Option<Time>,
    /// The Engine.IO generation in use; 0 while not connected.
    pub protocol: u32,
    /// When the session's token ends.
    pub token_expires_at: Option<Time>,
}

/// A change of a link's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkEvent {
    /// Which instance's.
    pub instance: String,
    /// How it is now.
    pub state: LinkState,
    /// Since when.
    pub since: Option<Time>,
    /// Why, in words; empty where there is nothing to say.
    pub reason: String,
}

/// The four truths about a subscription: wanted, asked, confirmed, last broadcast.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelStatus {
    /// Which channel.
    #[serde(with = "ChannelFields")]
    pub channel: Channel,
    /// Its ID on the wire.
    pub channel_id: String,
    /// Since when somebody wants it.
    pub wanted_since: Option<Time>,
    /// When it was last asked for on the present connection.
    pub asked_at: Option<Time>,
    /// When EXP last confirmed it on the present connection.
    pub confirmed_at: Option<Time>,
    /// When the last broadcast came.
    pub last_broadcast_at: Option<Time>,
    /// How many listen.
    pub listeners: u32,
    /// Events that the log holds.
    pub log_events: u32,
    /// Bytes that the log holds.
    pub log_bytes: u64,
    /// The position of the newest event.
    pub log_sequence: u64,
}

/// One listener.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerStatus {
    /// Names it.
    pub id: String,
    /// Where it listens.
    #[serde(with = "ChannelFields")]
    pub channel: Channel,
    /// The event it listens for; empty for all.
    pub name: String,
    /// Its context; empty for none.
    pub context: String,
    /// The process at the other end; 0 over TCP.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
    /// Events that it has not been handed yet.
    pub behind: u64,
    /// Broadcasts handed over.
    pub delivered: u64,
    /// Events it was told that it missed.
    pub missed: u64,
}

/// What was counted since the daemon started.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)] // Named and explained in the contract's `Counters`.
pub struct Counters {
    pub connects: u64,
    pub disconnects: u64,
    pub logins: u64,
    pub refreshes: u64,
    pub broadcasts_received: u64,
    pub duplicates: u64,
    pub deliveries: u64,
    pub gaps: u64,
    pub broadcasts_sent: u64,
    pub broadcasts_failed: u64,
    pub responses_sent: u64,
    pub responses_failed: u64,
    pub unexpected_messages: u64,
}

/// The pages of a status as they come.
#[derive(Default)]
pub(super) struct Pages(Status);

impl Pages {
    /// Takes a page over.
    pub(super) fn add(&mut self, page: proto::Status) -> Result<(), ClientError> {
        let page = status_from_wire(page)?;
        let mut told = std::mem::replace(&mut self.0, page).instances;
        for instance in &mut self.0.instances {
            // The newest page has the facts, and each some of the channels and listeners.
            let of_before = told.iter_mut().find(|t| t.instance == instance.instance);
            if let Some(before) = of_before {
                instance.channels.splice(..0, before.channels.drain(..));
                instance.listeners.splice(..0, before.listeners.drain(..));
            }
        }
        Ok(())
    }

    /// All that came, channels by name.
    pub(super) fn whole(mut self) -> Status {
        for instance in &mut self.0.instances {
            (instance.channels).sort_by(|a, b| a.channel.cmp(&b.channel));
        }
        self.0
    }
}

fn status_from_wire(status: proto::Status) -> Result<Status, ClientError> {
    let instances = status.instances.into_iter().map(instance_from_wire);
    Ok(Status {
        version: status.version,
        started_at: Time::from_wire(status.started_at),
        instances: instances.collect::<Result<_, _>>()?,
    })
}

pub(super) fn identity_from_wire(identity: proto::Identity) -> Result<Identity, ClientError> {
    let kind = match identity.r#type.as_str() {
        "user" => IdentityKind::User,
        "device" => IdentityKind::Device,
        "consumerApp" => IdentityKind::ConsumerApp,
        other => {
            let kind = Quoted(other);
            return Err(ClientError::Contract(format!(
                "an identity of the unknown kind {kind}"
            )));
        }
    };
    Ok(Identity {
        kind,
        uuid: identity.uuid,
        organization: identity.organization,
        pairing_code: Some(identity.pairing_code).filter(|code| !code.is_empty()),
        paired: identity.paired,
    })
}

pub(super) fn link_event_from_wire(event: proto::LinkEvent) -> Result<LinkEvent, ClientError> {
    Ok(LinkEvent {
        state: link_state_from_wire(event.state())?,
        instance: event.instance,
        since: Time::from_wire(event.since),
        reason: event.reason,
    })
}

fn link_state_from_wire(state: proto::link_event::State) -> Result<LinkState, ClientError> {
    match state {
        proto::link_event::State::Connecting => Ok(LinkState::Connecting),
        proto::link_event::State::Online => Ok(LinkState::Online),
        proto::link_event::State::Offline => Ok(LinkState::Offline),
        proto::link_event::State::Refused => Ok(LinkState::Refused),
        proto::link_event::State::Pairing => Ok(LinkState::Pairing),
        proto::link_event::State::Unspecified => Err(ClientError::Contract(
            "a link state of an unknown kind".into(),
        )),
    }
}

fn instance_from_wire(instance: proto::InstanceStatus) -> Result<InstanceStatus, ClientError> {
    let link = instance
        .link
        .ok_or_else(|| ClientError::Contract("an instance without a link".into()))?;
    let channels = instance.channels.into_iter().map(channel_status_from_wire);
    let listeners = instance.listeners.into_iter().map(listener_from_wire);
    Ok(InstanceStatus {
        instance: instance.instance,
        host: instance.host,
        identity: instance.identity.map(identity_from_wire).transpose()?,
        link: LinkStatus {
            state: link_state_from_wire(link.state())?,
            since: Time::from_wire(link.since),
            attempt: link.attempt,
            last_error: link.last_error,
            next_try: Time::from_wire(link.next_try),
            protocol: link.protocol,
            token_expires_at: Time::from_wire(link.token_expires_at),
        },
        channels: channels.collect::<Result<_, _>>()?,
        listeners: listeners.collect::<Result<_, _>>()?,
        counters: counters_from_wire(&instance.counters.unwrap_or_default()),
        waiting_broadcasts: instance.waiting_broadcasts,
    })
}

fn channel_status_from_wire(status: proto::ChannelStatus) -> Result<ChannelStatus, ClientError> {
    Ok(ChannelStatus {
        channel: channel_from_wire(status.channel)?,
        channel_id: status.channel_id,
        wanted_since: Time::from_wire(status.wanted_since),
        asked_at: Time::from_wire(status.asked_at),
        confirmed_at: Time::from_wire(status.confirmed_at),
        last_broadcast_at: Time::from_wire(status.last_broadcast_at),
        listeners: status.listeners,
        log_events: status.log_events,
        log_bytes: status.log_bytes,
        log_sequence: status.log_sequence,
    })
}

fn listener_from_wire(listener: proto::ListenerStatus) -> Result<ListenerStatus, ClientError> {
    Ok(ListenerStatus {
        id: listener.id,
        channel: channel_from_wire(listener.channel)?,
        name: listener.name,
        context: listener.context,
        pid: listener.pid,
        uid: listener.uid,
        behind: listener.behind,
        delivered: listener.delivered,
        missed: listener.missed,
    })
}

fn counters_from_wire(counters: &proto::Counters) -> Counters {
    Counters {
        connects: counters.connects,
        disconnects: counters.disconnects,
        logins: counters.logins,
        refreshes: counters.refreshes,
        broadcasts_received: counters.broadcasts_received,
        duplicates: counters.duplicates,
        deliveries: counters.deliveries,
        gaps: counters.gaps,
        broadcasts_sent: counters.broadcasts_sent,
        broadcasts_failed: counters.broadcasts_failed,
        responses_sent: counters.responses_sent,
        responses_failed: counters.responses_failed,
        unexpected_messages: counters.unexpected_messages,
    }
}
