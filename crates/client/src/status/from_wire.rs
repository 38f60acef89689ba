//! Conversion of the status from the contract.

use super::{
    ChannelStatus, Counters, Identity, InstanceStatus, LimitHit, LinkEvent, LinkStatus,
    ListenerStatus, Status, WebAppStatus, WebOriginStatus, WebPageStatus,
};
use crate::convert::channel_from_wire;
use crate::error::ClientError;
use crate::event::Time;
use expd_domain::{IdentityKind, LinkState, Quoted};
use expd_proto as proto;

impl Status {
    pub(super) fn from_wire(status: proto::Status) -> Result<Self, ClientError> {
        let instances = status.instances.into_iter().map(InstanceStatus::from_wire);
        Ok(Self {
            version: status.version,
            started_at: Time::from_wire(status.started_at),
            instances: instances.collect::<Result<_, _>>()?,
            settings_mistakes: status.settings_mistakes,
            web_pages: status
                .web_pages
                .into_iter()
                .map(WebPageStatus::from_wire)
                .collect(),
            web_apps: status
                .web_apps
                .into_iter()
                .map(WebAppStatus::from_wire)
                .collect(),
            limit_hits: status
                .limit_hits
                .into_iter()
                .map(LimitHit::from_wire)
                .collect(),
        })
    }
}

impl WebPageStatus {
    fn from_wire(page: proto::WebPageStatus) -> Self {
        Self {
            app: page.app,
            origin: page.origin,
            instance: page.instance,
            since: Time::from_wire(page.since),
            protocol: page.protocol,
            websocket: page.websocket,
            channels: page.channels,
            behind: page.behind,
            delivered: page.delivered,
        }
    }
}

impl LimitHit {
    fn from_wire(hit: proto::LimitHit) -> Self {
        Self {
            limit: hit.limit,
            user: hit.user,
            pid: hit.pid,
            uid: hit.uid,
            count: hit.count,
            last_at: Time::from_wire(hit.last_at),
        }
    }
}

impl WebAppStatus {
    fn from_wire(app: proto::WebAppStatus) -> Self {
        Self {
            app: app.app,
            instance: app.instance,
            opened: app.opened,
            delivered: app.delivered,
            cut: app.cut,
            refused: app.refused,
            origins: app
                .origins
                .into_iter()
                .map(WebOriginStatus::from_wire)
                .collect(),
        }
    }
}

impl WebOriginStatus {
    fn from_wire(origin: proto::WebOriginStatus) -> Self {
        Self {
            origin: origin.origin,
            opened: origin.opened,
            delivered: origin.delivered,
            cut: origin.cut,
            refused: origin.refused,
        }
    }
}

fn present(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

impl Identity {
    pub(crate) fn from_wire(identity: proto::Identity) -> Result<Self, ClientError> {
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
        Ok(Self {
            kind,
            uuid: identity.uuid,
            organization: identity.organization,
            pairing_code: present(identity.pairing_code),
            paired: identity.paired,
            expires_at: Time::from_wire(identity.expires_at),
            username: present(identity.username),
            role: present(identity.role),
            rest: identity.rest,
            unknown: identity.unknown,
        })
    }
}

impl LinkEvent {
    /// Converts an event of the contract; `None` for a state that this version does not know.
    pub(crate) fn from_wire(event: proto::LinkEvent) -> Option<Self> {
        Some(Self {
            state: link_state_from_wire(event.state())?,
            instance: event.instance,
            since: Time::from_wire(event.since),
            reason: event.reason,
        })
    }
}

fn link_state_from_wire(state: proto::link_event::State) -> Option<LinkState> {
    match state {
        proto::link_event::State::Connecting => Some(LinkState::Connecting),
        proto::link_event::State::Online => Some(LinkState::Online),
        proto::link_event::State::Offline => Some(LinkState::Offline),
        proto::link_event::State::Refused => Some(LinkState::Refused),
        proto::link_event::State::Pairing => Some(LinkState::Pairing),
        proto::link_event::State::Unspecified => None,
    }
}

impl InstanceStatus {
    fn from_wire(instance: proto::InstanceStatus) -> Result<Self, ClientError> {
        let link = instance
            .link
            .ok_or_else(|| ClientError::Contract("an instance without a link".into()))?;
        let channels = instance.channels.into_iter().map(ChannelStatus::from_wire);
        let listeners = instance
            .listeners
            .into_iter()
            .map(ListenerStatus::from_wire);
        Ok(Self {
            unsaved_credentials: present(instance.unsaved_credentials),
            instance: instance.instance,
            host: instance.host,
            identity: instance.identity.map(Identity::from_wire).transpose()?,
            link: LinkStatus {
                // A state that this version does not know counts as neither online nor given up.
                state: link_state_from_wire(link.state()).unwrap_or(LinkState::Connecting),
                since: Time::from_wire(link.since),
                attempt: link.attempt,
                last_error: link.last_error,
                next_try: Time::from_wire(link.next_try),
                protocol: link.protocol,
                token_expires_at: Time::from_wire(link.token_expires_at),
            },
            channels: channels.collect::<Result<_, _>>()?,
            listeners: listeners.collect::<Result<_, _>>()?,
            counters: Counters::from_wire(&instance.counters.unwrap_or_default()),
            waiting_broadcasts: instance.waiting_broadcasts,
            transient: instance.transient,
        })
    }
}

impl ChannelStatus {
    fn from_wire(status: proto::ChannelStatus) -> Result<Self, ClientError> {
        Ok(Self {
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
            refusal: status.refusal,
        })
    }
}

impl ListenerStatus {
    fn from_wire(listener: proto::ListenerStatus) -> Result<Self, ClientError> {
        Ok(Self {
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
}

impl Counters {
    fn from_wire(counters: &proto::Counters) -> Self {
        Self {
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
}
