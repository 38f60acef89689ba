//! Entry point for `crates/bench/benches/instructions` only: the stream of `Listen` without
//! instance, session and socket, whose instructions would be counted as well.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body::Body;
use tokio::sync::watch;

use super::frame::EventEncoder;
use super::open::OpenedListener;
use super::permission::StreamPermission;
use super::stream::ListenBody;
use crate::access::{AccessPolicy, Caller};
use crate::router::Listener;
use expd_proto::PayloadForm;

/// The body of a `Listen` response with default options.
pub fn stream(
    listener: Listener,
    access: watch::Receiver<Arc<AccessPolicy>>,
) -> impl Body<Data = Bytes, Error = Infallible> + Unpin {
    let channel = listener.info().channel.clone();
    let encoder = EventEncoder::new(&listener, PayloadForm::Json, String::new);
    let permission = StreamPermission::new(access, Caller::unknown(), "default", channel, None);
    let opened = OpenedListener {
        listener,
        encoder,
        permission,
    };
    ListenBody::new(opened, None)
}
