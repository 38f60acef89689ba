//! Content and layouts, streamed from EXP to pages. Their restricted token is in the URL or in a
//! cookie, or their full token in the header.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use futures_util::stream;

use super::caller::PageCaller;
use super::origin::RequestOrigin;
use super::room::PageRoom;
use super::state::WebState;
use crate::access::Action;
use crate::bridge::{BridgeError, OnBehalf, UserContent};
use crate::upstream::transport::CallError;
use expd_domain::{ApiPath, Secret};
use expd_server::connection::{ClientConnection, RequestConnection};
use expd_server::error::ApiError;
use expd_server::ranges::{Representation, Selection};
use expd_server::token::bearer;

/// Parameter with the restricted token.
const TOKEN: &str = "_rt";

/// `GET` and `HEAD` of content and layouts.
pub(super) async fn serve(
    State(state): State<Arc<WebState>>,
    request: Request,
) -> Result<Response, ApiError> {
    let (path, token) = split(request.uri().path(), request.uri().query())?;
    let page = reader(&state, &request, token, &path)?;
    let connection = connection(&request)?;
    state.admission.identify(&connection, &page.app.name)?;
    page.identity()?;
    let headers = request.headers();
    let first = first_byte(headers);
    let room = PageRoom::new(page.answers(&state));
    let content = fetch(&page, &path, first, &room).await?;
    let head = content.head().clone();
    let representation = Representation {
        length: head.size.unwrap_or(u64::MAX),
        modified: None,
        etag: head.etag.clone(),
    };
    // Without a length, no range can be stated.
    let selection = match head.size {
        Some(_) => representation.select(headers),
        None => Selection::Whole,
    };
    let mut response = Response::new(Body::empty());
    let answered = response.headers_mut();
    put(answered, header::CONTENT_TYPE, &head.content_type);
    put(answered, header::ETAG, &head.etag);
    put(answered, header::CACHE_CONTROL, "private, no-cache");
    put(answered, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    if head.size.is_some() {
        put(answered, header::ACCEPT_RANGES, "bytes");
    }
    let (status, range) = match selection {
        Selection::NotModified => (StatusCode::NOT_MODIFIED, None),
        Selection::Unsatisfiable => {
            let range = format!("bytes */{}", representation.length);
            put(answered, header::CONTENT_RANGE, &range);
            (StatusCode::RANGE_NOT_SATISFIABLE, None)
        }
        Selection::Whole => (StatusCode::OK, Some((0, head.size))),
        Selection::Part(part) => {
            let last = part.end.saturating_sub(1);
            let range = format!("bytes {}-{last}/{}", part.start, representation.length);
            put(answered, header::CONTENT_RANGE, &range);
            let length = part.end - part.start;
            (
                StatusCode::PARTIAL_CONTENT,
                Some((part.start, Some(length))),
            )
        }
    };
    *response.status_mut() = status;
    let Some((start, length)) = range else {
        return Ok(response);
    };
    if let Some(length) = length {
        put(
            response.headers_mut(),
            header::CONTENT_LENGTH,
            &length.to_string(),
        );
    }
    if request.method() == Method::HEAD {
        return Ok(response);
    }
    let content = if start == first {
        content
    } else {
        // The guessed range is not the right one.
        drop(content);
        fetch(&page, &path, start, &room).await?
    };
    *response.body_mut() = body(content, room, length, connection);
    Ok(response)
}

/// The page whose token gives access to a path.
fn reader(
    state: &WebState,
    request: &Request,
    token: Option<Secret>,
    path: &ApiPath,
) -> Result<PageCaller, ApiError> {
    let origin = request.extensions().get::<RequestOrigin>();
    let origin = origin.and_then(|RequestOrigin(origin)| origin.as_deref());
    let headers = request.headers();
    let action = Action::Request("GET", path);
    if let Some(token) = bearer(headers) {
        let page = match origin {
            Some(_) => PageCaller::of_token(state, &token, origin)?,
            None => return Err(missing()),
        };
        page.allow(state, &action)?;
        return Ok(page);
    }
    let tokens = token.into_iter().chain(super::cookie::tokens(headers));
    let mut refusal = missing();
    // A page sends the cookies of all apps of its site.
    for token in tokens {
        let page = PageCaller::of_restricted(state, &token, origin);
        let allowed = page.and_then(|page| page.allow(state, &action).map(|()| page));
        match allowed {
            Ok(page) => {
                page.limit(&state.rates.requests, "requests")?;
                return Ok(page);
            }
            Err(error) => refusal = error,
        }
    }
    Err(refusal)
}

/// The connection of a request, which need not name an origin.
fn connection(request: &Request) -> Result<Arc<ClientConnection>, ApiError> {
    let connection = request.extensions().get();
    let connection = connection.map(|ConnectInfo(RequestConnection(it))| Arc::clone(it));
    connection.ok_or_else(|| ApiError::internal("a request without its connection"))
}

fn missing() -> ApiError {
    ApiError::unauthorized(
        "authentication.token.missing",
        "content is read with the restricted token of a login at this door, as the parameter _rt or by its cookie",
    )
}

/// Splits a request into the path for EXP and the restricted token, which stays at the door.
fn split(path: &str, query: Option<&str>) -> Result<(ApiPath, Option<Secret>), ApiError> {
    let mut token = None;
    let mut kept = Vec::new();
    // The older SDKs of Android and iOS write a second question mark: `?_rt=T?variant=N&_rt=T`.
    for pair in query.unwrap_or_default().split(['&', '?']) {
        match pair.split_once('=') {
            Some((TOKEN, value)) if !value.is_empty() => {
                let value = percent_encoding::percent_decode_str(value);
                let value = value.decode_utf8().unwrap_or_default();
                token.get_or_insert_with(|| Secret::new(value));
            }
            // An empty variant is the file itself.
            Some((TOKEN | "variant", "")) => {}
            _ if pair.is_empty() => {}
            _ => kept.push(pair),
        }
    }
    let query = kept.join("&");
    let text = if query.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{query}")
    };
    // The Python SDK doubles the slash before the content's own path.
    let text = text.replacen("/api/delivery//", "/api/delivery/", 1);
    let path = ApiPath::parse(&text)
        .map_err(|error| ApiError::bad_request("request.path.malformed", error.to_string()))?;
    Ok((path, token))
}

/// Start of the requested range, if it is known without the size.
fn first_byte(headers: &HeaderMap) -> u64 {
    let conditional =
        headers.contains_key(header::IF_RANGE) || headers.contains_key(header::IF_NONE_MATCH);
    let range = headers
        .get(header::RANGE)
        .and_then(|range| range.to_str().ok());
    let first = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    match first {
        Some((first, _)) if !conditional => first.trim().parse().unwrap_or(0),
        _ => 0,
    }
}

async fn fetch(
    page: &PageCaller,
    path: &ApiPath,
    from: u64,
    room: &PageRoom,
) -> Result<UserContent, ApiError> {
    let user = OnBehalf {
        asker: page.holder.into(),
        room,
    };
    let fetched = page.bridge.fetch(user, path, &BTreeMap::new(), from).await;
    fetched.map_err(|error| match error {
        BridgeError::Call(CallError::Exp { status: 416, .. }) => ApiError::new(
            StatusCode::RANGE_NOT_SATISFIABLE,
            "content.range",
            "the range begins after the end of the content",
        ),
        other => page.failed(other, None),
    })
}

/// The body: at most `length` bytes of the content, where that is known.
fn body(
    content: UserContent,
    room: PageRoom,
    length: Option<u64>,
    connection: Arc<ClientConnection>,
) -> Body {
    let begun = (content, length.unwrap_or(u64::MAX));
    let chunks = stream::try_unfold(begun, move |(mut content, left)| {
        let (room, connection) = (room.clone(), connection.clone());
        async move {
            if left == 0 {
                return Ok(None);
            }
            // The page waits for the network, whose own time limits apply.
            connection.begin_request();
            let next = content.next(&room).await;
            // From now on, the page has a connection's idle timeout to take the chunk.
            connection.end_request();
            let Some(mut chunk) = next? else {
                return Ok::<Option<(Bytes, _)>, CallError>(None);
            };
            chunk.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            let left = left - chunk.len() as u64;
            Ok(Some((room.keep(chunk), (content, left))))
        }
    });
    Body::from_stream(chunks)
}

fn put(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value)
        && !value.is_empty()
    {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_doors_token_stays_here() {
        for (query, sent) in [
            (None, "/api/delivery/a.png"),
            (Some("_rt=T"), "/api/delivery/a.png"),
            (Some("_rt=T&variant="), "/api/delivery/a.png"),
            (
                Some("variant=small&_rt=T"),
                "/api/delivery/a.png?variant=small",
            ),
            (
                Some("_rt=T?variant=small&_rt=T"),
                "/api/delivery/a.png?variant=small",
            ),
        ] {
            let (path, token) = split("/api/delivery/a.png", query).unwrap();
            let said = match path.query() {
                Some(query) => format!("{}?{query}", path.as_str()),
                None => path.as_str().to_owned(),
            };
            assert_eq!(said, sent);
            assert_eq!(token.is_some(), query.is_some());
        }
        let (path, _) = split("/api/delivery//a.png", None).unwrap();
        assert_eq!(path.as_str(), "/api/delivery/a.png");
    }
}
