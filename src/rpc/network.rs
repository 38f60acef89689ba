//! `expd.v1.Network`.

use std::time::Duration;

use futures_util::stream::BoxStream;
use tokio::time::{Instant, timeout};
use tonic::{Request, Response, Status};

use super::access::caller_of;
use super::bounds::checked;
use super::context::ServiceContext;
use super::open::open;
use super::pull::{Acknowledgement, HandOut, PullError};
use super::server::{Call, program_of};
use super::unary::call_of;
use super::{convert, deadline, error};
use crate::access::{Action, Verb};
use crate::bridge::{BroadcastRequest, OnBehalf, WhenOffline};
use crate::router::RouterError;
use expd_domain::{BroadcastId, ChannelId, DEFAULT_BROADCAST_TIMEOUT};
use expd_proto as proto;
use expd_proto::network_server::Network;

#[derive(Clone)]
pub struct NetworkService(pub ServiceContext);

#[tonic::async_trait]
impl Network for NetworkService {
    async fn broadcast(
        &self,
        request: Request<proto::BroadcastRequest>,
    ) -> Result<Response<proto::BroadcastResponse>, Status> {
        let arrived = Instant::now();
        let deadline = deadline::from_headers(request.metadata().as_ref());
        let call = call_of(request.extensions())?;
        let caller = caller_of(request.extensions());
        let request = checked(request.into_inner())?;
        let verb = Verb::Broadcast;
        let bridge = self.0.bridge(&caller, verb, &request.instance).await?;
        let form = request.payload_form();
        let channel = convert::channel_in(request.channel)?;
        call.note_target(&bridge.name, Some(&channel));
        let action = Action::Broadcast(&channel, Some(&request.name));
        self.0.allow(&caller, &bridge, &action).await?;
        let payload = convert::payload_in(request.payload, self.0.max_payload()).await?;
        let timeout = convert::duration_in("timeout", request.timeout)?;
        let timeout = timeout.unwrap_or(DEFAULT_BROADCAST_TIMEOUT);
        let wait = request.wait_for_connection;
        let broadcast = BroadcastRequest {
            user: on_behalf(&call),
            peer: program_of(&caller),
            channel: &channel,
            name: &request.name,
            payload: &payload,
            timeout,
            send_by: deadline::send_by(deadline, timeout, wait).map(|after| arrived + after),
            when_offline: if wait {
                WhenOffline::Wait {
                    allowed: &|| self.0.permits(&caller, &bridge, &action),
                }
            } else {
                WhenOffline::Refuse
            },
        };
        let responses = bridge.broadcast(broadcast).await?;
        Ok(Response::new(proto::BroadcastResponse {
            responses: convert::payloads_out(responses, form).await?,
        }))
    }

    type ListenStream = BoxStream<'static, Result<proto::ListenEvent, Status>>;

    /// Never called: the route to [`super::listen`] is more specific.
    async fn listen(
        &self,
        _: Request<proto::ListenRequest>,
    ) -> Result<Response<Self::ListenStream>, Status> {
        Err(error::own_handler("Listen"))
    }

    async fn respond(
        &self,
        request: Request<proto::RespondRequest>,
    ) -> Result<Response<proto::RespondResponse>, Status> {
        let call = call_of(request.extensions())?;
        let caller = caller_of(request.extensions());
        let request = checked(request.into_inner())?;
        let verb = Verb::Respond;
        let bridge = self.0.bridge(&caller, verb, &request.instance).await?;
        let channel = ChannelId::from_wire(request.channel_id);
        let action = Action::respond_on(&channel);
        if let Action::Respond(channel) = &action {
            call.note_target(&bridge.name, channel.as_ref());
        }
        self.0.allow(&caller, &bridge, &action).await?;
        let payload = convert::payload_in(request.payload, self.0.max_payload()).await?;
        bridge
            .respond(
                on_behalf(&call),
                &BroadcastId::new(request.broadcast_id),
                &channel,
                &payload,
            )
            .await?;
        Ok(Response::new(proto::RespondResponse {}))
    }

    async fn open_listener(
        &self,
        request: Request<proto::ListenRequest>,
    ) -> Result<Response<proto::OpenListenerResponse>, Status> {
        let caller = caller_of(request.extensions());
        let call = call_of(request.extensions())?;
        let opened = open(&self.0, request.into_inner(), &caller, &call).await?;
        let memory = call.connection().memory().clone();
        let listener_id = self.0.pulls.insert(opened.listener, opened.encoder, memory);
        Ok(Response::new(proto::OpenListenerResponse { listener_id }))
    }

    async fn next_event(
        &self,
        request: Request<proto::NextEventRequest>,
    ) -> Result<Response<proto::NextEventResponse>, Status> {
        let caller = caller_of(request.extensions());
        let request = checked(request.into_inner())?;
        let mut policies = self.0.access.clone();
        let unknown = || Status::from(PullError::Unknown(request.listener_id.clone()));
        let allowed = self.0.allow_listener(&caller, &request.listener_id).await;
        let events = allowed.map_err(|why| why.or(unknown))?;
        let wait = convert::duration_in("wait", request.wait)?.unwrap_or(Duration::ZERO);
        let ack = Acknowledgement {
            after: request.after,
            repeat: request.repeat,
        };
        let mut pull = self.0.pulls.check_out(&request.listener_id, ack)?;
        pull.set_events(events);
        let next_event = async {
            loop {
                tokio::select! {
                    biased;
                    // A reload may revoke the permission during the wait.
                    Ok(()) = policies.changed() => {
                        let allowed = self.0.allow_listener(&caller, &request.listener_id).await;
                        pull.set_events(allowed.map_err(|why| why.or(unknown))?);
                    }
                    next = pull.next() => return next.map_err(Status::from),
                }
            }
        };
        // None where no event arrived in time.
        let event = timeout(wait, next_event).await.ok().transpose()?;
        let mut response = Response::new(proto::NextEventResponse { event });
        response.extensions_mut().insert(HandOut::new(pull));
        Ok(response)
    }

    async fn cancel_listener(
        &self,
        request: Request<proto::CancelListenerRequest>,
    ) -> Result<Response<proto::CancelListenerResponse>, Status> {
        let caller = caller_of(request.extensions());
        let id = checked(request.into_inner())?.listener_id;
        let unknown = || Status::from(RouterError::UnknownListener(id.clone()));
        let allowed = self.0.allow_listener(&caller, &id).await;
        allowed.map_err(|why| why.or(unknown))?;
        self.0.router.cancel(id).await?;
        self.0.pulls.sweep();
        Ok(Response::new(proto::CancelListenerResponse {}))
    }

    async fn clear_context(
        &self,
        request: Request<proto::ClearContextRequest>,
    ) -> Result<Response<proto::ClearContextResponse>, Status> {
        let caller = caller_of(request.extensions());
        let context = checked(request.into_inner())?.context;
        if context.is_empty() {
            return Err(error::invalid(
                "the context is empty; name the one whose listeners shall end",
            ));
        }
        let whose = self.0.allow_clearing(&caller).await?;
        let cancelled = self.0.router.clear_context(context, whose).await?;
        self.0.pulls.sweep();
        Ok(Response::new(proto::ClearContextResponse { cancelled }))
    }
}

/// The user on whose behalf a call is made.
pub fn on_behalf(call: &Call) -> OnBehalf<'_> {
    OnBehalf {
        asker: call.connection().memory().asker(),
        room: call,
    }
}
