//! `Daemon.RunInstance`: an identity that a program brings along, for as long as its stream is
//! open.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use futures_util::{StreamExt as _, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::sync::watch;
use tonic::Status;

use super::access::caller_of;
use super::bounds::checked;
use super::context::ServiceContext;
use super::convert::link_event_out;
use super::credentials::settings_in;
use super::error::{self, clamped};
use super::frame::frame;
use super::message::read;
use super::server::Call;
use super::stream::trailers;
use super::unary::{self, call_of};
use crate::access::{AccessPolicy, Action, Caller};
use crate::bridge::{NewInstance, RunningInstance};
use crate::upstream::link::LinkStatus;
use expd_proto as proto;

/// Answers the call with a stream of the link's states.
pub(super) async fn answer(
    State(context): State<ServiceContext>,
    request: http::Request<axum::body::Body>,
) -> http::Response<axum::body::Body> {
    match run(&context, request).await {
        Ok(run) => unary::grpc(body(run)),
        Err(status) => clamped(status).into_http(),
    }
}

async fn run(
    context: &ServiceContext,
    request: http::Request<axum::body::Body>,
) -> Result<InstanceRun, Status> {
    let caller = caller_of(request.extensions());
    let call = call_of(request.extensions())?;
    let (head, body) = request.into_parts();
    let request = read::<proto::RunInstanceRequest>(&head.headers, body, &call, 0).await?;
    let request = checked(request)?;
    if context.stop.is_cancelled() {
        return Err(error::refused_at_stop());
    }
    // Created before the check, so that a reload between the two is noticed.
    let policies = context.access.clone();
    context.allow_run(&caller, &request.name).await?;
    let Some(peer) = caller.peer() else {
        return Err(error::denied(
            "an instance belongs to its user, and over TCP no user is known; connect to the Unix socket",
        ));
    };
    let name = request.name.clone();
    let settings = settings_in(request, &context.bridges)?;
    let new = NewInstance {
        name,
        user: peer.uid,
        settings,
        memory: call.connection().memory().clone(),
    };
    let running = context.runner.run(new).await?;
    call.mark_stream()?;
    Ok(InstanceRun {
        link: running.bridge().link.clone(),
        running: Some(running),
        is_first: true,
        context: context.clone(),
        policies,
        caller,
        _call: call,
    })
}

/// One running instance and its stream.
struct InstanceRun {
    context: ServiceContext,
    caller: Caller,
    policies: watch::Receiver<Arc<AccessPolicy>>,
    link: watch::Receiver<LinkStatus>,
    is_first: bool,
    /// Ends the instance when dropped. None once the stream has ended.
    running: Option<RunningInstance>,
    /// Accounted until the stream ends.
    _call: Arc<Call>,
}

impl InstanceRun {
    /// The next state of the link.
    ///
    /// # Errors
    /// The daemon stops, or a reload has revoked the permission.
    async fn next(&mut self) -> Result<proto::LinkEvent, Status> {
        let Some(running) = &self.running else {
            return Err(stopping());
        };
        let name = &running.bridge().name;
        loop {
            if std::mem::take(&mut self.is_first) {
                break;
            }
            tokio::select! {
                biased;
                () = self.context.stop.cancelled() => return Err(stopping()),
                Ok(()) = self.policies.changed() => {
                    let policy = self.policies.borrow_and_update().clone();
                    policy.check(&self.caller, name, &Action::Run)?;
                }
                changed = self.link.changed() => {
                    // The link ended before this stream: the daemon stops, or a reload ended the
                    // instance.
                    changed.map_err(|_| self.ended())?;
                    break;
                }
            }
        }
        let status = self.link.borrow_and_update();
        Ok(link_event_out(name, &status))
    }
}

impl InstanceRun {
    /// The status for an instance that ended before its stream.
    fn ended(&self) -> Status {
        if self.context.stop.is_cancelled() {
            return stopping();
        }
        error::already_exists(
            "a reload has configured an instance of this name, and the one that was run has ended; run it under another name",
        )
    }
}

/// The body of the answer: each state as a message, then the status.
fn body(run: InstanceRun) -> axum::body::Body {
    let frames = stream::unfold(run, |mut run| async move {
        run.running.as_ref()?;
        let next = match run.next().await {
            Ok(event) => Frame::data(frame(&event)),
            Err(status) => {
                run.running = None;
                Frame::trailers(trailers(&clamped(status)))
            }
        };
        Some((Ok::<_, Infallible>(next), run))
    });
    axum::body::Body::new(StreamBody::new(frames.boxed()))
}

fn stopping() -> Status {
    error::stopping("the daemon is stopping; run the instance again when it is back")
}
