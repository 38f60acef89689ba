//! `expd.v1.Daemon`.

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use tonic::{Request, Response, Status};

use super::access::caller_of;
use super::bounds::checked;
use super::context::ServiceContext;
use super::error;
use super::explain::explain;
use super::page::page;
use super::watching::StatusWatch;
use crate::access::check_reload;
use expd_proto as proto;
use expd_proto::daemon_server::Daemon;

#[derive(Clone)]
pub struct DaemonService(pub ServiceContext);

#[tonic::async_trait]
impl Daemon for DaemonService {
    async fn get_status(
        &self,
        request: Request<proto::GetStatusRequest>,
    ) -> Result<Response<proto::Status>, Status> {
        let caller = caller_of(request.extensions());
        let request = checked(request.into_inner())?;
        self.0.allow_status(&caller).await?;
        let view = self.0.view(&caller);
        Ok(Response::new(page(&self.0, &view, &request).await?))
    }

    async fn explain(
        &self,
        request: Request<proto::ExplainRequest>,
    ) -> Result<Response<proto::Explanation>, Status> {
        let caller = caller_of(request.extensions());
        let request = checked(request.into_inner())?;
        Ok(Response::new(explain(&self.0, &caller, request).await?))
    }

    async fn reload(
        &self,
        request: Request<proto::ReloadRequest>,
    ) -> Result<Response<proto::ReloadResponse>, Status> {
        let caller = caller_of(request.extensions());
        if let Err(refusal) = check_reload(&caller) {
            return Err(self.0.refused(&caller, refusal).await);
        }
        Ok(Response::new(self.0.reload.reload().await?))
    }

    type RunInstanceStream = BoxStream<'static, Result<proto::LinkEvent, Status>>;

    /// Never called: the route to [`super::run`] is more specific.
    async fn run_instance(
        &self,
        _: Request<proto::RunInstanceRequest>,
    ) -> Result<Response<Self::RunInstanceStream>, Status> {
        Err(error::own_handler("RunInstance"))
    }

    type WatchStatusStream = BoxStream<'static, Result<proto::LinkEvent, Status>>;

    async fn watch_status(
        &self,
        request: Request<proto::WatchStatusRequest>,
    ) -> Result<Response<Self::WatchStatusStream>, Status> {
        let caller = caller_of(request.extensions());
        // Created before the check, so that a reload between the two is noticed.
        let watching = StatusWatch::new(&self.0, &caller);
        self.0.allow_status(&caller).await?;
        Ok(Response::new(watching.into_stream().boxed()))
    }
}
