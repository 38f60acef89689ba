//! `expd.v1.Api`.

use futures_util::stream::BoxStream;
use tonic::{Request, Response, Status};

use super::access::caller_of;
use super::bounds::checked;
use super::context::ServiceContext;
use super::convert;
use super::error;
use super::network::on_behalf;
use super::unary::call_of;
use crate::access::{Action, Verb};
use crate::upstream::transport::AnswerBody;
use expd_domain::ApiPath;
use expd_proto as proto;
use expd_proto::api_server::Api;

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
        call.note_target(&bridge.name, None);
        let action = Action::Request(&request.method, &path);
        self.0.allow(&caller, &bridge, &action).await?;
        let form = request.payload_form();
        let body = match request.body {
            Some(body) => Some(convert::payload_in(Some(body), self.0.max_payload()).await?),
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
        let mut response = proto::ApiResponse {
            status: u32::from(answer.status),
            ..Default::default()
        };
        match answer.body {
            AnswerBody::Empty => {}
            AnswerBody::Json(text) => response.body = Some(convert::json_out(text, form).await?),
            AnswerBody::Raw {
                bytes,
                content_type,
            } => {
                response.raw = bytes.into();
                response.content_type = content_type;
            }
        }
        Ok(Response::new(response))
    }

    type FetchStream = BoxStream<'static, Result<proto::FetchChunk, Status>>;

    /// Never called: the route to [`super::content`] is more specific.
    async fn fetch(
        &self,
        _: Request<proto::FetchRequest>,
    ) -> Result<Response<Self::FetchStream>, Status> {
        Err(error::own_handler("Fetch"))
    }

    async fn get_content_url(
        &self,
        request: Request<proto::GetContentUrlRequest>,
    ) -> Result<Response<proto::GetContentUrlResponse>, Status> {
        let caller = caller_of(request.extensions());
        let request = checked(request.into_inner())?;
        let bridge = self.0.bridge(&caller, Verb::Request, &request.instance);
        let bridge = bridge.await?;
        let path = ApiPath::of_content(&request.path).map_err(error::invalid)?;
        // Anyone who has the URL can read the content.
        let action = Action::Request("GET", &path);
        self.0.allow(&caller, &bridge, &action).await?;
        let url = bridge.content_url(&path, &request.variant).await?;
        Ok(Response::new(proto::GetContentUrlResponse { url }))
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
