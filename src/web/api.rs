//! Requests of pages that are passed to EXP's API unchanged.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;

use super::auth::Checked;
use super::caller::PageCaller;
use super::cookie;
use super::room::PageRoom;
use super::state::WebState;
use crate::access::Action;
use crate::bridge::OnBehalf;
use crate::upstream::transport::AnswerBody;
use expd_domain::{ApiPath, Payload};
use expd_server::body::{self, BodyTerms, PAYLOAD_BODY};
use expd_server::error::ApiError;

/// Any other request below `/api/`.
pub(super) async fn request(
    State(state): State<Arc<WebState>>,
    request: Request,
) -> Result<Response, ApiError> {
    let checked = Checked::of(&request)?;
    let page = PageCaller::of_request(&state, request.headers(), &checked.origin)?;
    state
        .admission
        .identify(&checked.connection, &page.app.name)?;
    let target = request.uri().path_and_query();
    let path = ApiPath::parse(target.map_or("/", |target| target.as_str()));
    let path =
        path.map_err(|error| ApiError::bad_request("request.path.malformed", error.to_string()))?;
    // A page asks for a head with the same rights as for the whole.
    let sent = match request.method() {
        &Method::HEAD => Method::GET,
        other => other.clone(),
    };
    page.allow(&state, &Action::Request(sent.as_str(), &path))?;
    // Refused before the login, and for a device that is not paired.
    page.identity()?;
    let method = request.method().clone();
    let (parts, body) = request.into_parts();
    let terms = BodyTerms {
        owner: Some(&page.app.name),
        content_length: body::content_length(&parts.headers),
        limit: PAYLOAD_BODY,
    };
    let read = body::read(&state.body_memory, &checked.connection, body, terms).await;
    let (bytes, _reservation) = read?;
    let body = match (bytes.is_empty(), &method) {
        // Some SDKs create without a body.
        (true, &Method::POST) => Some(Payload::from(serde_json::json!({}))),
        (true, _) => None,
        (false, _) => {
            let text = String::from_utf8(bytes).map_err(|_| {
                ApiError::new(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "request.body.binary",
                    "only JSON goes through this door; upload files with EXP's own clients",
                )
            })?;
            Some(Payload::parse(text)?)
        }
    };
    let room = PageRoom::new(page.answers(&state));
    let user = OnBehalf {
        asker: page.holder.into(),
        room: &room,
    };
    let answer = page
        .bridge
        .request(user, sent.as_str(), path, BTreeMap::new(), body.as_ref())
        .await
        .map_err(|error| page.failed(error, None))?;
    let (content_type, body) = match answer.body {
        AnswerBody::Empty => (String::new(), Body::empty()),
        AnswerBody::Json(text) => ("application/json".to_owned(), room.keep(text).into()),
        AnswerBody::Raw {
            bytes,
            content_type,
        } => (content_type, room.keep(bytes).into()),
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    if let Ok(content_type) = HeaderValue::try_from(content_type)
        && !content_type.is_empty()
    {
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, content_type);
    }
    cookie::set(&state, &page, &mut response);
    Ok(response)
}
