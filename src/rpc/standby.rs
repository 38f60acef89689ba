//! The gRPC service of a daemon that waits for its settings to be corrected: the status names the
//! mistakes, a reload reads the settings again, and every other call is refused with the mistakes.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::post;
use futures_util::stream::BoxStream;
use http::Response;
use tokio::sync::watch;
use tonic::service::Routes;
use tonic::{Request, Status};

use super::access::caller_of;
use super::error;
use super::reloading::ReloadHandle;
use crate::access::check_reload;
use crate::moment::BootTime;
use expd_proto as proto;
use expd_proto::daemon_server::{Daemon, DaemonServer};

/// Mistakes in the settings, replaced whenever they are read again.
pub type Mistakes = watch::Receiver<Arc<Vec<String>>>;

pub fn standby(mistakes: Mistakes, reload: ReloadHandle, started_at: BootTime) -> axum::Router {
    let service = StandbyService {
        mistakes: mistakes.clone(),
        reload,
        started_at,
    };
    let unknown = axum::Router::new()
        .route("/{service}/{method}", post(refuse))
        .fallback(refuse)
        .with_state(mistakes);
    // The routes of the one service are more specific.
    Routes::new(DaemonServer::new(service))
        .into_axum_router()
        .reset_fallback()
        .merge(unknown)
}

async fn refuse(State(mistakes): State<Mistakes>) -> Response<tonic::body::Body> {
    refusal(&mistakes).into_http()
}

/// UNAVAILABLE: programs try again by themselves, and are served once the settings are corrected.
fn refusal(mistakes: &Mistakes) -> Status {
    let mistakes = mistakes.borrow().clone();
    let first = mistakes.first().map_or("", String::as_str);
    let more = match mistakes.len() {
        0 | 1 => String::new(),
        all => format!(" (and {} more)", all - 1),
    };
    error::unavailable(format_args!(
        "expd waits for its settings to be corrected: {first}{more}"
    ))
}

#[derive(Clone)]
struct StandbyService {
    mistakes: Mistakes,
    reload: ReloadHandle,
    started_at: BootTime,
}

type LinkEvents = BoxStream<'static, Result<proto::LinkEvent, Status>>;

#[tonic::async_trait]
impl Daemon for StandbyService {
    async fn get_status(
        &self,
        _: Request<proto::GetStatusRequest>,
    ) -> Result<tonic::Response<proto::Status>, Status> {
        let mistakes = self.mistakes.borrow().clone();
        Ok(tonic::Response::new(proto::Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: Some(self.started_at.date().into()),
            settings_mistakes: mistakes.to_vec(),
            ..proto::Status::default()
        }))
    }

    async fn explain(
        &self,
        _: Request<proto::ExplainRequest>,
    ) -> Result<tonic::Response<proto::Explanation>, Status> {
        Err(refusal(&self.mistakes))
    }

    async fn reload(
        &self,
        request: Request<proto::ReloadRequest>,
    ) -> Result<tonic::Response<proto::ReloadResponse>, Status> {
        check_reload(&caller_of(request.extensions()))?;
        Ok(tonic::Response::new(self.reload.reload().await?))
    }

    type RunInstanceStream = LinkEvents;

    async fn run_instance(
        &self,
        _: Request<proto::RunInstanceRequest>,
    ) -> Result<tonic::Response<Self::RunInstanceStream>, Status> {
        Err(refusal(&self.mistakes))
    }

    type WatchStatusStream = LinkEvents;

    async fn watch_status(
        &self,
        _: Request<proto::WatchStatusRequest>,
    ) -> Result<tonic::Response<Self::WatchStatusStream>, Status> {
        Err(refusal(&self.mistakes))
    }
}
