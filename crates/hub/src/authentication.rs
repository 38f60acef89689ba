//! Response to a login and to a refresh, with every member that the SDKs read from it.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderValue, header};
use serde::Serialize;

use super::error::ApiError;
use super::login::Login;
use super::state::HubState;
use expd_domain::{Identity, IdentityKind, Secret};

/// The authentication payload.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Authentication {
    token: Secret,
    expiration: i64,
    restricted_token: Secret,
    api: Host,
    network: Host,
    identity: AnnouncedIdentity,
}

#[derive(Clone, Serialize)]
struct Host {
    host: String,
}

/// An identity, with further members that the SDKs read.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AnnouncedIdentity {
    #[serde(flatten)]
    identity: Identity,
    /// True in pairing mode; the JS SDK then refuses API calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    is_pairing: Option<bool>,
    #[serde(flatten)]
    user: Option<AnnouncedUser>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AnnouncedUser {
    username: String,
    role: String,
    connection_id: String,
}

impl Authentication {
    /// The response to a login, with a token that expires when the login does.
    pub(super) fn new(hub: &HubState, login: Login, PublicUrl(host): PublicUrl) -> Self {
        let fingerprint = login.fingerprint();
        let Login {
            identity, life, id, ..
        } = login;
        let user = (identity.kind == IdentityKind::User).then(|| AnnouncedUser {
            username: identity.uuid.clone(),
            role: hub
                .directory
                .role(&identity.uuid)
                .unwrap_or_default()
                .to_owned(),
            connection_id: id.clone(),
        });
        let host = Host { host };
        Self {
            token: hub.tokens.issue(identity.clone(), fingerprint, &id, life),
            expiration: life.expiration,
            restricted_token: hub.tokens.issue_restricted(identity.clone(), fingerprint),
            api: host.clone(),
            network: host,
            identity: AnnouncedIdentity {
                is_pairing: identity.pairing_code.is_some().then_some(true),
                identity,
                user,
            },
        }
    }
}

/// URL by which clients reach this server, announced as the address of the API and of the live
/// socket: the settings' URL, else the requested one. A proxy that terminates TLS sets
/// `X-Forwarded-Proto`; a client that sets it itself misleads only itself.
pub(super) struct PublicUrl(String);

impl FromRequestParts<Arc<HubState>> for PublicUrl {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<HubState>) -> Result<Self, ApiError> {
        if let Some(url) = &hub.url {
            return Ok(Self(url.clone()));
        }
        let forwarded = parts.headers.get("x-forwarded-proto");
        let scheme = match forwarded.map(HeaderValue::as_bytes) {
            Some(b"https") => "https",
            _ => "http",
        };
        parts
            .headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok()?.parse::<Authority>().ok())
            .map(|authority| Self(format!("{scheme}://{authority}")))
            .ok_or_else(|| {
                ApiError::bad_request(
                    "request.host.missing",
                    "the request needs a Host header that names this network",
                )
            })
    }
}
