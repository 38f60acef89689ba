//! Handlers of the operator: pairing and unpairing devices, counters.
//!
//! The credentials of a paired device go only to the sockets of its own pairing login, though every
//! waiting device listens on the same system channel. A device that was offline when it was paired
//! receives them when it returns, until its code expires. Unpairing notifies the device, ends its
//! tokens and closes its sockets.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use sha2::{Digest as _, Sha256};

use super::body::{JsonBody, PUBLIC_BODY};
use super::counters::{ChannelCount, CountersSnapshot};
use super::disconnect::disconnect;
use super::error::ApiError;
use super::login::bearer;
use super::operator::{DeviceUuid, PairRequest};
use super::pairing_codes::normalize_code;
use super::publish::{announce, send_credentials};
use super::socket_registry::Audience;
use super::state::HubState;
use expd_domain::{Channel, Payload, Quoted, Secret};

/// Maximum number of channels in the counters.
const MAX_LISTED_CHANNELS: usize = 1000;

/// Extractor: the request carries the operator's key.
pub(super) struct Operator;

impl FromRequestParts<Arc<HubState>> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<HubState>) -> Result<Self, ApiError> {
        match bearer(&parts.headers) {
            // Its connection stays anonymous, where there is room even if logged-in clients use all
            // of theirs.
            Some(given) if same(&given, &hub.operator_key) => Ok(Self),
            _ => Err(ApiError::unauthorized(
                "operator.key",
                "this needs the header `Authorization: Bearer KEY` with the operator's key: hub.operator_key, or the content of hub/operator.key in the state folder",
            )),
        }
    }
}

/// Compares digests, so that the time reveals nothing about the key.
fn same(given: &Secret, key: &Secret) -> bool {
    Sha256::digest(given.expose()) == Sha256::digest(key.expose())
}

/// `POST /hub/pair`
pub(super) async fn pair(
    State(hub): State<Arc<HubState>>,
    _operator: Operator,
    body: JsonBody<PairRequest, PUBLIC_BODY>,
) -> Result<Json<DeviceUuid>, ApiError> {
    let code = normalize_code(&body.value.code);
    let credentials = hub.directory.pair(&code, body.value.uuid)?;
    hub.resources.add_device(&credentials.uuid);
    log::info!("paired the device {}", Quoted(&credentials.uuid));
    send_credentials(&hub, &code);
    Ok(Json(DeviceUuid {
        uuid: credentials.uuid,
    }))
}

/// `POST /hub/unpair`
pub(super) async fn unpair(
    State(hub): State<Arc<HubState>>,
    _operator: Operator,
    body: JsonBody<DeviceUuid, PUBLIC_BODY>,
) -> Result<Json<DeviceUuid>, ApiError> {
    let uuid = body.value.uuid;
    if hub.directory.device(&uuid).is_none() {
        return Err(ApiError::not_found(
            "pairing.device.unknown",
            format!("no device has the uuid {}", Quoted(&uuid)),
        ));
    }
    // In this order: if the process is killed in between, the device is still paired.
    hub.resources.remove_device(&uuid);
    hub.directory.forget_device(&uuid);
    log::info!("unpaired the device {}", Quoted(&uuid));
    let channel = Channel::new(uuid.as_str()).system();
    announce(
        &hub,
        &channel,
        "unpair",
        &Payload::null(),
        Audience::Everyone,
    );
    for socket in hub.sockets.sockets_of(&uuid) {
        disconnect(&hub, socket);
    }
    Ok(Json(DeviceUuid { uuid }))
}

/// `GET /hub/counters`
pub(super) async fn counters(
    State(hub): State<Arc<HubState>>,
    _operator: Operator,
) -> Json<CountersSnapshot> {
    let counts = hub.sockets.counts(MAX_LISTED_CHANNELS);
    let counters = &hub.counters;
    Json(CountersSnapshot {
        connections: counts.sockets as u64,
        connections_total: counters.sockets_opened.get(),
        connections_refused: counters.sockets_refused.get(),
        subscriptions: counts.subscriptions as u64,
        logins: counters.logins.get(),
        logins_refused: counters.logins_refused.get(),
        refreshes: counters.refreshes.get(),
        refreshes_refused: counters.refreshes_refused.get(),
        broadcasts: counters.broadcasts.get(),
        deliveries: counters.deliveries.get(),
        responses: counters.responses.get(),
        pending_broadcasts: hub.pending.len() as u64,
        slow_disconnects: counters.slow_disconnects.get(),
        http_requests: counters.http_requests.get(),
        http_errors: counters.http_errors.get(),
        channels: counts
            .channels
            .into_iter()
            .map(|(channel, subscribers)| ChannelCount {
                name: channel.name,
                system: channel.system,
                consumer: channel.consumer,
                subscribers: subscribers as u64,
            })
            .collect(),
    })
}
