//! Request bodies and JSON responses.
//!
//! Bodies of logged-in clients are charged to a shared memory budget, of which each identity gets a
//! share. Small bodies have a separate budget, which half-sent large ones cannot exhaust. Bodies
//! that need no login are so small that the limit of anonymous connections bounds them.

use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use std::sync::Arc;

use super::error::ApiError;
use super::login::Login;
use super::state::HubState;
use expd_server::byte_budget::Reservation;
use expd_server::connection::RequestConnection;

pub(super) use expd_server::body::{
    BodyTerms, PAYLOAD_BODY, PUBLIC_BODY, SMALL_BODY, content_length, json, payload, read,
};

/// JSON body of at most `LIMIT` bytes; no body at all is `null`. The handler's other extractors run
/// first, so only authorized clients can send one.
pub(super) struct JsonBody<T, const LIMIT: usize> {
    pub value: T,
    /// Reservation in the memory budget of all bodies, released when the handler drops it.
    pub reservation: Option<Reservation<String>>,
}

impl<T: DeserializeOwned, const LIMIT: usize> FromRequest<Arc<HubState>> for JsonBody<T, LIMIT> {
    type Rejection = ApiError;

    async fn from_request(request: Request, hub: &Arc<HubState>) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let ConnectInfo(RequestConnection(connection)) = parts
            .extensions
            .get::<ConnectInfo<RequestConnection>>()
            .ok_or_else(|| ApiError::internal("a request has no connection"))?;
        // Set by the extractor of the login.
        let login = parts.extensions.get::<Login>();
        if let Some(login) = login
            && LIMIT > PUBLIC_BODY
        {
            // A device that waits to be paired has no reason to send a body of that size.
            login.require_paired()?;
        }
        let owner = login.map(Login::owner);
        let terms = BodyTerms {
            owner: owner.as_deref(),
            content_length: content_length(&parts.headers),
            limit: LIMIT,
        };
        let (bytes, reservation) = read(&hub.body_memory, connection, body, terms).await?;
        let text = if bytes.is_empty() { b"null" } else { &*bytes };
        let value = serde_json::from_slice(text).map_err(|error| {
            ApiError::bad_request(
                "request.body.malformed",
                format!("the body is not the expected JSON: {error}"),
            )
        })?;
        Ok(Self { value, reservation })
    }
}

/// Path parameters; a malformed one is refused in JSON.
pub(super) struct PathParams<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<HubState>> for PathParams<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<HubState>) -> Result<Self, ApiError> {
        Path::from_request_parts(parts, hub)
            .await
            .map(|Path(named)| Self(named))
            .map_err(|error| ApiError::bad_request("request.path.malformed", error.body_text()))
    }
}
