//! `expd.v1.Network`.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::BoxStream;
use tokio::time::timeout;
use tonic::{Request, Response, Status};

use super::frame::Dress;
use super::status::{bridge, ended, pull, router};
use super::{Door, convert};
use crate::bridge::Bridge;
use crate::exp::{BroadcastId, ChannelId};
use crate::ipc::PeerInfo;
use crate::proto;
use crate::proto::network_server::Network;
use crate::router::{ListenSpec, Listener, Overflow, Peer, Resume};

/// The service.
#[derive(Clone)]
pub struct NetworkService(pub Door);

#[tonic::async_trait]
impl Network for NetworkService {
    async fn broadcast(
        &self,
        request: Request<proto::BroadcastRequest>,
    ) -> Result<Response<proto::BroadcastResponse>, Status> {
        let request = request.into_inner();
        let bridge_to = self.0.bridge(&request.instance)?;
        let form = request.payload_form();
        let channel = convert::channel_in(request.channel)?;
        let payload = convert::payload_in(request.payload, self.0.max_payload)?;
        let timeout = convert::duration_in("timeout", request.timeout)?;
        let responses = bridge_to
            .broadcast(&channel, &request.name, &payload, timeout)
            .await
            .map_err(bridge)?;
        Ok(Response::new(proto::BroadcastResponse {
            responses: responses
                .iter()
                .map(|response| convert::payload_out(response, form))
                .collect(),
        }))
    }

    type ListenStream = BoxStream<'static, Result<proto::ListenEvent, Status>>;

    /// Never called: the route to [`super::listen`] is the more exact one.
    async fn listen(
        &self,
        _: Request<proto::ListenRequest>,
    ) -> Result<Response<Self::ListenStream>, Status> {
        Err(Status::internal("Listen is served by its own handler"))
    }

    async fn respond(
        &self,
        request: Request<proto::RespondRequest>,
    ) -> Result<Response<proto::RespondResponse>, Status> {
        let request = request.into_inner();
        let bridge_to = self.0.bridge(&request.instance)?;
        let payload = convert::payload_in(request.payload, self.0.max_payload)?;
        bridge_to
            .respond(
                &BroadcastId::new(request.broadcast_id),
                &ChannelId::from_wire(request.channel_id),
                &payload,
            )
            .await
            .map_err(bridge)?;
        Ok(Response::new(proto::RespondResponse {}))
    }

    async fn open_listener(
        &self,
        request: Request<proto::ListenRequest>,
    ) -> Result<Response<proto::OpenListenerResponse>, Status> {
        let peer = peer_of(request.extensions());
        let (listener, dress) = open(&self.0, request.into_inner(), peer).await?;
        let listener_id = self.0.pulls.keep(listener, dress);
        Ok(Response::new(proto::OpenListenerResponse { listener_id }))
    }

    async fn next_event(
        &self,
        request: Request<proto::NextEventRequest>,
    ) -> Result<Response<proto::NextEventResponse>, Status> {
        let request = request.into_inner();
        let wait = convert::duration_in("wait", request.wait)?.unwrap_or(Duration::ZERO);
        let mut taken = self.0.pulls.take(&request.listener_id).map_err(pull)?;
        match timeout(wait, taken.next()).await {
            // None came in time.
            Err(_) => Ok(Response::new(proto::NextEventResponse { event: None })),
            Ok(Ok(event)) => Ok(Response::new(proto::NextEventResponse {
                event: Some(event),
            })),
            Ok(Err(why)) => Err(ended(why)),
        }
    }

    async fn cancel_listener(
        &self,
        request: Request<proto::CancelListenerRequest>,
    ) -> Result<Response<proto::CancelListenerResponse>, Status> {
        let id = request.into_inner().listener_id;
        self.0.router.cancel(id).await.map_err(router)?;
        self.0.pulls.sweep();
        Ok(Response::new(proto::CancelListenerResponse {}))
    }

    async fn clear_context(
        &self,
        request: Request<proto::ClearContextRequest>,
    ) -> Result<Response<proto::ClearContextResponse>, Status> {
        let context = request.into_inner().context;
        if context.is_empty() {
            return Err(Status::invalid_argument(
                "the context is empty; name the one whose listeners shall end",
            ));
        }
        let cancelled = self.0.router.clear_context(context).await.map_err(router)?;
        self.0.pulls.sweep();
        Ok(Response::new(proto::ClearContextResponse { cancelled }))
    }
}

/// Opens a listener as a request asks.
pub async fn open(
    door: &Door,
    request: proto::ListenRequest,
    peer: Option<Peer>,
) -> Result<(Listener, Dress), Status> {
    let bridge_to: Arc<Bridge> = door.bridge(&request.instance)?.clone();
    let form = request.payload_form();
    let channel = convert::channel_in(request.channel)?;
    let options = request.options.unwrap_or_default();
    let overflow = match options.overflow() {
        proto::listener_options::Overflow::Skip => Overflow::Skip,
        proto::listener_options::Overflow::Cancel => Overflow::Cancel,
    };
    let max_age = convert::duration_in("options.max_age", options.max_age)?;
    let spec = ListenSpec {
        channel: channel.clone(),
        name: Some(request.name).filter(|name| !name.is_empty()),
        context: request.context,
        max_age: max_age.filter(|age| !age.is_zero()),
        overflow,
        resume: request.resume.map(|resume| Resume {
            log_id: resume.log_id,
            after: resume.after,
        }),
        peer,
    };
    let listener = bridge_to.listen(spec).await.map_err(bridge)?;
    let dress = Dress::new(&listener, form, move || bridge_to.channel_id(&channel));
    Ok((listener, dress))
}

/// The local process behind a request, as the kernel named it.
pub fn peer_of(extensions: &http::Extensions) -> Option<Peer> {
    let PeerInfo(peer) = extensions.get()?;
    peer.map(|peer| Peer {
        // The kernel's process IDs are positive.
        pid: u32::try_from(peer.pid).unwrap_or(0),
        uid: peer.uid,
    })
}
