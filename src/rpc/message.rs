//! The message of a unary request. Its memory is accounted before its bytes arrive, tonic's codec
//! reads it, and structured values are bounded before they are decoded.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::{Buf as _, Bytes};
use futures_util::stream;
use http::HeaderMap;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use prost::Message;
use tokio::time::timeout;
use tonic::Status;
use tonic::codec::{BufferSettings, DecodeBuf, Decoder, Streaming};

use super::error;
use super::frame::PREFIX;
use super::offload::{MAX_INLINE, off_thread};
use super::server::Call;
use super::structured;
use expd_proto as proto;

/// Time limit for a message to arrive.
pub(super) const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(30);

/// A request's message.
pub(super) trait RequestMessage: Message + Default + 'static {
    /// Number of the field that holds a payload; all other fields together are small.
    const PAYLOAD: Option<u32>;
}

macro_rules! request_messages {
    ($($message:ident: $payload:expr),* $(,)?) => {
        $(impl RequestMessage for proto::$message {
            const PAYLOAD: Option<u32> = $payload;
        })*
    };
}

request_messages! {
    BroadcastRequest: Some(4),
    RespondRequest: Some(4),
    ListenRequest: None,
    NextEventRequest: None,
    CancelListenerRequest: None,
    ClearContextRequest: None,
    ApiRequest: Some(5),
    FetchRequest: None,
    GetContentUrlRequest: None,
    GetIdentityRequest: None,
    GetStatusRequest: None,
    ExplainRequest: None,
    RunInstanceRequest: None,
    ReloadRequest: None,
}

/// Reads and decodes the message of a request.
///
/// # Errors
/// The message exceeds a limit, is not exactly one message, or did not arrive in time.
pub(super) async fn read<Q: RequestMessage>(
    headers: &HeaderMap,
    body: Body,
    call: &Arc<Call>,
    max_payload: usize,
) -> Result<Q, Status> {
    check_encoding(headers)?;
    let max_bytes = structured::MAX_OTHER_BYTES + Q::PAYLOAD.map_or(0, |_| max_payload);
    let bytes = timeout(ARRIVAL_TIMEOUT, collect(body, call.clone(), max_bytes)).await;
    let bytes = bytes.map_err(|_| error::late_message(ARRIVAL_TIMEOUT))??;
    call.release_window();
    off_thread(bytes.len(), move || {
        structured::check(&bytes, Q::PAYLOAD)?;
        Q::decode(bytes).map_err(error::malformed)
    })
    .await?
}

/// Refuses a compressed request, as tonic does, and names the accepted encoding.
fn check_encoding(headers: &HeaderMap) -> Result<(), Status> {
    let Some(encoding) = headers.get("grpc-encoding") else {
        return Ok(());
    };
    if encoding == "identity" {
        return Ok(());
    }
    Err(error::compressed())
}

/// Reads the bytes of exactly one message.
async fn collect(body: Body, call: Arc<Call>, max_bytes: usize) -> Result<Bytes, Status> {
    let body = BudgetedBody {
        body,
        call,
        max_bytes,
        prefix: Vec::with_capacity(PREFIX),
        left: None,
    };
    let body = StreamBody::new(stream::try_unfold(body, BudgetedBody::next));
    let mut messages = Streaming::new_request(WholeMessage, body, None, Some(max_bytes));
    let Some(message) = messages.message().await? else {
        return Err(error::internal("the request is empty; send one message"));
    };
    // Waits for the end of the body; a second message is an error.
    messages.message().await?;
    Ok(message)
}

/// A request's body that passes on a message's bytes once memory for all of them is accounted.
struct BudgetedBody {
    body: Body,
    call: Arc<Call>,
    max_bytes: usize,
    /// The message's prefix, as far as it has arrived.
    prefix: Vec<u8>,
    /// Missing bytes of the message; none before its prefix is complete.
    left: Option<usize>,
}

impl BudgetedBody {
    async fn next(mut self) -> Result<Option<(Frame<Bytes>, Self)>, Status> {
        let Some(frame) = self.body.frame().await else {
            return Ok(None);
        };
        let frame = frame.map_err(error::broke_off)?;
        if let Some(data) = frame.data_ref() {
            self.count(data).await?;
        }
        Ok(Some((frame, self)))
    }

    /// Accounts for the message once its prefix is complete. Bytes after the message are refused,
    /// because no memory is accounted for them.
    async fn count(&mut self, mut data: &[u8]) -> Result<(), Status> {
        let mut left = if let Some(left) = self.left {
            left
        } else {
            let (prefix, rest) = data.split_at(data.len().min(PREFIX - self.prefix.len()));
            self.prefix.extend_from_slice(prefix);
            data = rest;
            let [_, a, b, c, d] = *self.prefix.as_slice() else {
                return Ok(());
            };
            reserve(&self.call, u32::from_be_bytes([a, b, c, d]), self.max_bytes).await?
        };
        let rest = left.checked_sub(data.len());
        left = rest.ok_or_else(error::several_messages)?;
        self.left = Some(left);
        Ok(())
    }
}

/// Reserves memory for a message of this length.
async fn reserve(call: &Call, length: u32, max_bytes: usize) -> Result<usize, Status> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > max_bytes {
        return Err(error::exhausted(format_args!(
            "the request has {length} bytes; this method takes at most {} (daemon.limits.max_payload and {} around it)",
            max_bytes,
            structured::MAX_OTHER_BYTES
        )));
    }
    // One copy as received, and one decoded.
    let bytes = if length > MAX_INLINE {
        2 * length
    } else {
        length
    };
    call.reserve(bytes).await?;
    Ok(length)
}

/// A decoder that returns the message's bytes; large messages are decoded on a blocking thread.
struct WholeMessage;

impl Decoder for WholeMessage {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(bytes.copy_to_bytes(bytes.remaining())))
    }

    fn buffer_settings(&self) -> BufferSettings {
        // The buffer grows to the message's length, and most messages are short.
        BufferSettings::new(512, 512)
    }
}
