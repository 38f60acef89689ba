//! Live sockets of pages: handshakes, and the requests of open sockets.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use tokio::sync::mpsc;

use super::auth::Checked;
use super::caller::{PageCaller, limit};
use super::cookie;
use super::page::PageTask;
use super::state::{SocketOwner, WebState};
use crate::pages::PageInfo;
use expd_domain::{Generation, LinkState};
use expd_server::engine_query::EngineQuery;
use expd_server::error::ApiError;

/// Maximum number of live sockets: in total, and of one app.
pub(super) const MAX_SOCKETS: usize = 512;
const SOCKETS_OF_APP: usize = 128;

/// Commands that wait for a page's task: a refresh, and its successor.
const COMMANDS: usize = 4;

/// Time until a page may try again while the network is away.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Requests below `/socket.io`.
pub(super) async fn serve(State(state): State<Arc<WebState>>, request: Request) -> Response {
    answer(&state, request)
        .await
        .unwrap_or_else(ApiError::into_response)
}

async fn answer(state: &Arc<WebState>, request: Request) -> Result<Response, ApiError> {
    let checked = Checked::of(&request)?;
    let opens = EngineQuery::of(request.uri()).is_some_and(EngineQuery::opens);
    if opens {
        return open(state, &checked, request);
    }
    let owner = state.sessions.owner(&request)?;
    if owner.origin != checked.origin {
        return Err(ApiError::forbidden(
            "authentication.origin",
            "this socket is of a page from another origin",
        ));
    }
    state.admission.identify(&checked.connection, &owner.app)?;
    limit(&state.rates.requests, &owner.app, "requests")?;
    let (connection, memory) = (&checked.connection, &state.body_memory);
    state
        .sessions
        .serve(request, connection, memory, Some(&owner.app), &state.tasks)
        .await
}

fn open(
    state: &Arc<WebState>,
    checked: &Checked,
    mut request: Request,
) -> Result<Response, ApiError> {
    let query = EngineQuery::of(request.uri());
    let generation = query.and_then(EngineQuery::generation);
    let token = query.and_then(EngineQuery::token).ok_or_else(|| {
        ApiError::unauthorized(
            "authentication.token.missing",
            "the socket needs the token of a login at this door as the query parameter token",
        )
    })?;
    let caller = PageCaller::of_token(state, &token, Some(&checked.origin))?;
    let app = caller.app.name.clone();
    state.admission.identify(&checked.connection, &app)?;
    caller.limit(&state.rates.handshakes, "handshakes")?;
    let instance = &caller.bridge.name;
    let link = caller.bridge.link.borrow().state;
    if link != LinkState::Online {
        state.logins.refused(&caller.login, &app);
        state.pages.count_refused(&app, &caller.origin, instance);
        let message = format!("the daemon is not connected to EXP ({})", link.as_str());
        return Err(ApiError {
            retry_after: Some(RETRY_AFTER),
            ..ApiError::busy("network.offline", message)
        });
    }
    let of_app = |owner: &SocketOwner| *owner.app == *app;
    if state.sessions.count(|_| true) >= MAX_SOCKETS
        || state.sessions.count(of_app) >= SOCKETS_OF_APP
    {
        return Err(ApiError::busy(
            "network.sockets.tooMany",
            format!(
                "too many pages are open: an app may have {SOCKETS_OF_APP}, all together {MAX_SOCKETS}"
            ),
        ));
    }
    let login = state.logins.admit(&caller.login, &app);
    let login = login.inspect_err(|_| {
        state.pages.count_refused(&app, &caller.origin, instance);
    })?;
    let owner = SocketOwner {
        app: app.as_str().into(),
        origin: caller.origin.clone(),
    };
    let terms = state.socket_terms.clone();
    let opened = state
        .sessions
        .open_session(&mut request, &checked.connection, owner, terms);
    let (mut response, opening) = opened?;
    cookie::set(state, &caller, &mut response);
    let protocol = if generation == Some(Generation::V3) {
        3
    } else {
        4
    };
    let state = state.clone();
    state.tasks.clone().spawn(async move {
        let Some(socket) = opening.socket().await else {
            return;
        };
        let info = PageInfo::new(&app, &caller.origin, &caller.bridge.name, protocol);
        let (page, commands) = mpsc::channel(COMMANDS);
        let task = PageTask {
            open: state.pages.open(info),
            begun: login.begin(page),
            state,
            caller,
            login,
            commands,
            socket,
        };
        // Boxed, so that a handshake that fails does not take the memory of an open socket.
        Box::pin(task.run()).await;
    });
    Ok(response)
}
