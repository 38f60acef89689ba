//! Access check on a call's headers, before any of its message is read.
//!
//! A caller to whom no rule grants any permission that the method needs, on any channel or
//! instance, is refused here. Otherwise the handler decides, because only the message names the
//! instance and channel. Over TCP, the token in the headers identifies the caller.

use axum::body::Body;
use axum::extract::State;
use axum::middleware::Next;
use http::{HeaderMap, Request, Response};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::access::caller_of;
use super::context::ServiceContext;
use super::unary::call_of;
use crate::access::{CallerKind, Verb, report_limit};
use expd_server::token::bearer;

/// Permissions for a method: the caller needs one of them on some channel or instance.
fn needs(path: &str) -> &'static [Verb] {
    match path {
        "/expd.v1.Network/Broadcast" => &[Verb::Broadcast],
        "/expd.v1.Network/Listen" | "/expd.v1.Network/OpenListener" => &[Verb::Listen],
        "/expd.v1.Network/NextEvent"
        | "/expd.v1.Network/CancelListener"
        | "/expd.v1.Network/ClearContext" => &[Verb::Listen, Verb::Admin],
        "/expd.v1.Network/Respond" => &[Verb::Respond],
        "/expd.v1.Api/Request" | "/expd.v1.Api/Fetch" | "/expd.v1.Api/GetContentUrl" => {
            &[Verb::Request]
        }
        "/expd.v1.Api/GetIdentity" => &[Verb::Request, Verb::Status],
        "/expd.v1.Daemon/GetStatus" | "/expd.v1.Daemon/WatchStatus" => &[Verb::Status],
        "/expd.v1.Daemon/RunInstance" => &[Verb::Run],
        // Reflection and unknown methods: for callers with any permission.
        _ => &Verb::ALL,
    }
}

/// Health, Explain and Reload are open: health reveals nothing, refused callers may ask why, and
/// Reload has its own check.
fn is_open(path: &str) -> bool {
    is_health(path) || matches!(path, "/expd.v1.Daemon/Explain" | "/expd.v1.Daemon/Reload")
}

/// True for methods without a token over TCP: orchestrators' probes send none.
fn is_health(path: &str) -> bool {
    matches!(
        path,
        "/grpc.health.v1.Health/Check" | "/grpc.health.v1.Health/List"
    )
}

/// Refuses a call that its caller may not make anywhere, or that lacks a token over TCP.
pub(super) async fn check(
    State(context): State<ServiceContext>,
    mut request: Request<Body>,
    next: Next,
) -> Response<Body> {
    let policy = context.access.borrow().clone();
    let mut caller = caller_of(request.extensions());
    let path = request.uri().path();
    if caller.kind() == CallerKind::Stranger {
        let presented = bearer(request.headers());
        match policy.authenticate(presented.as_ref()) {
            Ok(known) => {
                caller = known;
                request.extensions_mut().insert(caller.clone());
            }
            Err(_) if is_health(path) => {}
            Err(refusal) => return context.refused(&caller, refusal).await.into_http(),
        }
    }
    let path = request.uri().path();
    if !is_open(path)
        && let Err(refusal) = policy.rights(&caller).check_anywhere(needs(path))
    {
        return context.refused(&caller, refusal).await.into_http();
    }
    let call = call_of(request.extensions());
    let answer = next.run(request).await;
    if let Some(reason) = limit(answer.headers()) {
        let target = call.as_ref().map(|call| call.target());
        let (instance, channel) = target.unwrap_or_default();
        let message = format!("refused a call of {caller}: {reason}");
        report_limit(&message, &caller, instance, channel);
    }
    answer
}

/// The reason, if a limit of the daemon caused the refusal. EXP's own limits are excluded.
fn limit(headers: &HeaderMap) -> Option<String> {
    let exhausted = [Code::ResourceExhausted as u8 + b'0'];
    let code = headers.get(Status::GRPC_STATUS)?;
    if code.as_bytes() != exhausted {
        return None;
    }
    let status = Status::from_header_map(headers)?;
    let details = status.get_error_details();
    let by_exp = details
        .error_info()
        .is_some_and(|info| info.metadata.contains_key("status"));
    (!by_exp).then(|| status.message().to_owned())
}

#[cfg(test)]
mod tests {
    use prost_types::FileDescriptorSet;

    use super::*;

    /// A method missing in `needs` would be open to callers with any permission.
    #[test]
    fn every_method_of_the_contract_has_its_need() {
        let set: FileDescriptorSet = prost::Message::decode(expd_proto::DESCRIPTORS).unwrap();
        // Health is for everyone, or for callers with any permission.
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
                    let needs = needs(&path).len();
                    assert!(is_open(&path) || needs < Verb::ALL.len(), "{path}");
                }
            }
        }
    }
}
