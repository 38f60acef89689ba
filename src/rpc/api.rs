//! `expd.v1.Api`.

use tonic::{Request, Response, Status};

use super::access::caller_of;
use super::bounds::checked;
use super::context::ServiceContext;
use super::convert;
use super::error;
use super::network::on_behalf;
use super::unary::call_of;
use crate::access::{Action, Verb};
use expd_domain::ApiPath;
use expd_proto as proto;
use expd_proto::api_server::Api;

/// The service.
#[derive(Clone)]
pub struct ApiService(pub ServiceContext);

#[tonic::async_trait]
impl Api for ApiService {
    async fn request(
        &self,
        request: Request<proto::ApiRequest>,
    ) -> Result<Response<proto::ApiResponse>, Status> {
        let call = call_of(request.extensions())?;
        let caller = caller_of(request.extensions());
        let request = checked(request.into_inner())?;
        let bridge = self.0.bridge(&caller, Verb::Request, &request.instance);
        let bridge = bridge.await?;
        let path = ApiPath::parse(&request.path).map_err(error::invalid)?;
        let action = Action::Request(&path);
        self.0.allow(&caller, &bridge, &action).await?;
        let form = request.payload_form();
        let body = match request.body {
            Some(body) => Some(convert::payload_in(Some(body), self.0.max_payload).await?),
            None => None,
        };
        let query = request.query.into_iter().collect();
        let answer = bridge
            .request(
                on_behalf(&call),
                &request.method,
                path,
                query,
                body.as_ref(),
            )
            .await?;
        let body = answer.body.into_iter().collect();
        Ok(Response::new(proto::ApiResponse {
            status: u32::from(answer.status),
            body: convert::payloads_out(body, form).await?.pop(),
        }))
    }

    async fn get_identity(
        &self,
        request: Request<proto::GetIdentityRequest>,
    ) -> Result<Response<proto::Identity>, Status> {
        let caller = caller_of(request.extensions());
        let instance = checked(request.into_inner())?.instance;
        let bridge = self.0.bridge(&caller, Verb::Status, &instance).await?;
        let action = Action::ReadIdentity;
        self.0.allow(&caller, &bridge, &action).await?;
        let identity = bridge.identity()?;
        let expires_at = bridge.token_expires_at();
        Ok(Response::new(convert::identity_out(identity, expires_at)))
    }
}
