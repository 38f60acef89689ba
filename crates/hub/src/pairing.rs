//! The operator's side: pairing and unpairing devices.
//!
//! The credentials of a paired device go to the sockets of its own pairing session alone, though every waiting device
//! listens on the same system channel. A device that was away when it was paired is told when it comes back, until its
//! code expires. Unpairing tells the device, ends its tokens and closes its sockets.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::auth;
use super::body::{JsonBody, OPEN_BODY};
use super::broadcasts::announce;
use super::error::ApiError;
use super::network::Audience;
use super::pairing_codes::normalize_code;
use super::socket;
use super::state::HubState;
use expd_domain::{Channel, Payload, Secret};

/// A request that shows the operator's key.
pub(super) struct Operator;

impl FromRequestParts<Arc<HubState>> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<HubState>) -> Result<Self, ApiError> {
        match auth::bearer(&parts.headers) {
            // Its connection stays among the strangers': there it finds room even where those who are logged in take all of theirs.
            Some(given) if same(&given, &hub.operator_key) => Ok(Self),
            _ => Err(ApiError::unauthorized(
                "operator.key",
                "this needs the header `Authorization: Bearer KEY` with the operator's key: hub.operator_key, or what the network keeps in hub/operator.key below its state folder",
            )),
        }
    }
}

/// Compares digests, so that the time it takes tells nothing of the key.
fn same(given: &Secret, key: &Secret) -> bool {
    Sha256::digest(given.expose()) == Sha256::digest(key.expose())
}

/// The body of `POST /hub/pair`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PairRequest {
    pub code: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
}

/// A device: the answer to pairing, the body and the answer of unpairing.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DeviceUuid {
    pub uuid: String,
}

/// `POST /hub/pair`
pub(super) async fn pair(
    State(hub): State<Arc<HubState>>,
    _operator: Operator,
    body: JsonBody<PairRequest, OPEN_BODY>,
) -> Result<Json<DeviceUuid>, ApiError> {
    let code = normalize_code(&body.value.code);
    let credentials = hub.directory.pair(&code, body.value.uuid)?;
    hub.resources.add_device(&credentials.uuid);
    log::info!("paired the device {:?}", credentials.uuid);
    tell_credentials(&hub, &code);
    Ok(Json(DeviceUuid {
        uuid: credentials.uuid,
    }))
}

/// `POST /hub/unpair`
pub(super) async fn unpair(
    State(hub): State<Arc<HubState>>,
    _operator: Operator,
    body: JsonBody<DeviceUuid, OPEN_BODY>,
) -> Result<Json<DeviceUuid>, ApiError> {
    let uuid = body.value.uuid;
    if !hub.directory.forget_device(&uuid) {
        return Err(ApiError::not_found(
            "pairing.device.unknown",
            format!(
                "no device has the uuid {:?}",
                uuid.chars().take(64).collect::<String>()
            ),
        ));
    }
    log::info!("unpaired the device {uuid:?}");
    let channel = Channel::new(uuid.as_str()).system();
    announce(
        &hub,
        &channel,
        "unpair",
        &Payload::null(),
        Audience::Everyone,
    );
    for socket in hub.network.sockets_of(&uuid) {
        socket::send_away(&hub, socket);
    }
    hub.resources.remove_device(&uuid);
    Ok(Json(DeviceUuid { uuid }))
}

/// Whether a channel is the one on which devices wait to be paired.
pub(super) fn is_pairing_channel(channel: &Channel) -> bool {
    channel.system && !channel.consumer && channel.name == "pairing"
}

/// Sends the credentials to the device with this code, if it has been paired and is listening.
pub(super) fn tell_credentials(hub: &Arc<HubState>, code: &str) {
    if let Some(credentials) = hub.directory.credentials_for(code) {
        let payload = Payload::from(serde_json::json!({
            "uuid": credentials.uuid,
            "secret": credentials.secret.expose(),
        }));
        let channel = Channel::new("pairing").system();
        let audience = Audience::PairingCode(code);
        announce(hub, &channel, "credentials", &payload, audience);
    }
}
