//! The look at a call's rights on its headers, before any of its message is read.
//!
//! A caller whom no rule allows what the method needs, anywhere, is refused here. Where a rule allows it somewhere, the handler
//! decides: only the message says on which instance and channel.

use axum::body::Body;
use axum::extract::State;
use axum::middleware::Next;
use http::{Request, Response};
use tonic::Status;

use super::access::{caller_of, named};
use super::context::ServiceContext;
use crate::access::Verb;

/// A method's need: one of these verbs, somewhere.
fn needs(path: &str) -> &'static [Verb] {
    match path {
        "/expd.v1.Network/Broadcast" => &[Verb::Broadcast],
        "/expd.v1.Network/Listen" | "/expd.v1.Network/OpenListener" => &[Verb::Listen],
        "/expd.v1.Network/NextEvent"
        | "/expd.v1.Network/CancelListener"
        | "/expd.v1.Network/ClearContext" => &[Verb::Listen, Verb::Admin],
        "/expd.v1.Network/Respond" => &[Verb::Respond],
        "/expd.v1.Api/Request" => &[Verb::Request],
        "/expd.v1.Api/GetIdentity" => &[Verb::Request, Verb::Status],
        "/expd.v1.Daemon/GetStatus" | "/expd.v1.Daemon/WatchStatus" => &[Verb::Status],
        // Reflection, and what is not known: whoever has any right may ask.
        _ => &Verb::ALL,
    }
}

/// Whether the method is for everybody: monitors ask for the health, and learn nothing else.
fn is_open(path: &str) -> bool {
    matches!(
        path,
        "/grpc.health.v1.Health/Check" | "/grpc.health.v1.Health/List"
    )
}

/// Refuses a call that its caller may make nowhere.
pub(super) async fn check(
    State(context): State<ServiceContext>,
    request: Request<Body>,
    next: Next,
) -> Response<Body> {
    let path = request.uri().path();
    let policy = context.access.borrow().clone();
    if policy.is_open() || is_open(path) {
        return next.run(request).await;
    }
    let caller = caller_of(request.extensions());
    let verbs = needs(path);
    let rights = policy.rights(&caller);
    if verbs.iter().any(|verb| rights.allow_somewhere(*verb)) {
        return next.run(request).await;
    }
    let verb = verbs.first().copied().unwrap_or(Verb::Status);
    named(&caller).await;
    let denied = if verbs.len() == Verb::ALL.len() {
        let reason = "no [[access]] rule of the daemon's settings is for this caller";
        Status::permission_denied(format!("{caller} may not call anything: {reason}"))
    } else {
        rights.denied(verb, &"on any channel or instance").into()
    };
    log::debug!("refused: {}", denied.message());
    denied.into_http()
}

#[cfg(test)]
mod tests {
    use prost_types::FileDescriptorSet;

    use super::*;

    /// A method that is forgotten here would be open to whoever has any right at all.
    #[test]
    fn every_method_of_the_contract_has_its_need() {
        let set: FileDescriptorSet = prost::Message::decode(expd_proto::DESCRIPTORS).unwrap();
        // The health is told to whoever may call anything, or to all.
        let contract = set
            .file
            .into_iter()
            .filter(|file| file.package.as_deref() == Some("expd.v1"));
        for file in contract {
            for service in file.service {
                for method in service.method {
                    let package = file.package.as_deref().unwrap();
                    let (service, method) =
                        (service.name.as_deref().unwrap(), method.name.unwrap());
                    let path = format!("/{package}.{service}/{method}");
                    assert_ne!(needs(&path).len(), Verb::ALL.len(), "{path}");
                }
            }
        }
    }
}
