//! Events as gRPC frames. A broadcast is encoded once, when it enters its channel's log; every
//! stream sends the same bytes.

use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use prost::Message;

use super::convert;
use super::offload::{MAX_INLINE, off_thread};
use crate::router::{Delivery, EncodedBatch, Event, Incoming, Listener, PlainBroadcast, Record};
use expd_proto as proto;

/// Length of a gRPC frame's prefix: the compressed flag and the message's length in four bytes.
pub(super) const PREFIX: usize = 5;

/// Maximum size of a broadcast's frame besides its texts: the prefix, keys, lengths, the sequence,
/// the channel's flags and the time.
const MAX_FIELDS: usize = 80;

/// Events held for one listener are accounted to its user from this many bytes on; smaller amounts
/// are covered by the memory accounted for the call.
pub(super) const MIN_ACCOUNTED: usize = 4 * 1024;

/// Encodes broadcasts of one channel for the log, in the lossless JSON form. Takes their payloads,
/// which saves a copy.
#[must_use]
pub fn encode(first: u64, batch: &mut [Incoming]) -> EncodedBatch {
    let Some(channel) = batch.first().map(|incoming| incoming.channel.clone()) else {
        return EncodedBatch::default();
    };
    let most = batch.iter().map(|it| MAX_FIELDS + text_bytes(it)).sum();
    let mut bytes = BytesMut::with_capacity(most);
    let mut ends = Vec::with_capacity(batch.len());
    // One message for all broadcasts, so that the buffers of its texts are reused.
    let mut event = proto::ListenEvent {
        sequence: first,
        event: Some(proto::listen_event::Event::Broadcast(proto::Broadcast {
            channel: Some(convert::channel_out(&channel)),
            ..proto::Broadcast::default()
        })),
    };
    for (sequence, incoming) in (first..).zip(batch) {
        event.sequence = sequence;
        if let Some(proto::listen_event::Event::Broadcast(broadcast)) = &mut event.event {
            fill(broadcast, incoming);
        }
        put_frame(&mut bytes, &event);
        ends.push(bytes.len());
    }
    EncodedBatch {
        bytes: bytes.freeze(),
        ends,
    }
}

/// Bytes of the texts in a broadcast's frame.
fn text_bytes(incoming: &Incoming) -> usize {
    let broadcast = &incoming.broadcast;
    [
        broadcast.id.as_str(),
        &broadcast.name,
        &incoming.channel.name,
        broadcast.channel.as_str(),
        broadcast.payload.as_str(),
    ]
    .iter()
    .map(|text| text.len())
    .sum()
}

/// Fills in everything but the channel.
fn fill(broadcast: &mut proto::Broadcast, incoming: &mut Incoming) {
    let received = &mut incoming.broadcast;
    received.id.as_str().clone_into(&mut broadcast.id);
    received.name.clone_into(&mut broadcast.name);
    let channel_id = received.channel.as_str();
    channel_id.clone_into(&mut broadcast.channel_id);
    let payload = std::mem::take(&mut received.payload).into_text();
    broadcast.payload = Some(proto::Payload {
        form: Some(proto::payload::Form::Json(payload)),
    });
    broadcast.received_at = Some(incoming.received_at.into());
}

/// Encodes one listener's events as frames or messages.
pub struct EventEncoder {
    listener_id: String,
    log_id: String,
    form: proto::PayloadForm,
    /// Returns the channel's ID; empty while the organization is unknown.
    channel_id: Box<dyn Fn() -> String + Send + Sync>,
}

impl EventEncoder {
    /// An encoder for a listener that asked for payloads in `form`; `channel_id` returns its
    /// channel's ID.
    pub fn new(
        listener: &Listener,
        form: proto::PayloadForm,
        channel_id: impl Fn() -> String + Send + Sync + 'static,
    ) -> Self {
        Self {
            listener_id: listener.info().id.clone(),
            log_id: listener.log_id().to_owned(),
            form,
            channel_id: Box::new(channel_id),
        }
    }

    /// Encodes an event as a frame. A broadcast's bytes are shared, not copied.
    pub fn frame(&self, delivery: &Delivery) -> Bytes {
        match &delivery.event {
            Event::Broadcast(record) => self.record(record),
            _ => frame(&self.message(delivery)),
        }
    }

    /// True where broadcasts are sent as the log stores them.
    pub fn is_ready(&self) -> bool {
        self.form == proto::PayloadForm::Json
    }

    /// Encodes an event as a message for an answer; a large broadcast on a blocking thread.
    pub fn message_anywhere(
        &self,
        delivery: &Delivery,
    ) -> impl Future<Output = proto::ListenEvent> + Send + use<> {
        let large = match &delivery.event {
            Event::Broadcast(record) if record.size() > MAX_INLINE => {
                Ok((record.clone(), self.form))
            }
            _ => Err(self.message(delivery)),
        };
        async move {
            match large {
                Ok((record, form)) => {
                    let size = record.size();
                    let made = off_thread(size, move || decode(&in_form(&record, form))).await;
                    // Fails only when the runtime stops.
                    made.unwrap_or_default()
                }
                Err(message) => message,
            }
        }
    }

    /// Encodes an event as a message for an answer.
    pub fn message(&self, delivery: &Delivery) -> proto::ListenEvent {
        use proto::listen_event::Event as Out;
        let event = match &delivery.event {
            Event::Subscription(state, since) => Out::Subscription(proto::Subscription {
                state: convert::state_out(*state).into(),
                listener_id: self.listener_id.clone(),
                channel_id: (self.channel_id)(),
                log_id: self.log_id.clone(),
                since: Some(since.date().into()),
            }),
            Event::Gap(gap) => Out::Gap(convert::gap_out(gap)),
            Event::Broadcast(record) => return decode(&self.record(record)),
        };
        proto::ListenEvent {
            sequence: delivery.sequence,
            event: Some(event),
        }
    }

    /// True where encoding a broadcast would delay other streams; [`make_values`] encodes it on a
    /// blocking thread.
    pub fn is_large_work(&self, record: &Record) -> bool {
        !self.is_ready() && record.size() > MAX_INLINE && !record.has_value_frame()
    }

    fn record(&self, record: &Record) -> Bytes {
        in_form(record, self.form)
    }
}

impl std::fmt::Debug for EventEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventEncoder")
            .field("listener_id", &self.listener_id)
            .field("form", &self.form)
            .finish_non_exhaustive()
    }
}

/// A broadcast's frame with its payload in `form`.
fn in_form(record: &Record, form: proto::PayloadForm) -> Bytes {
    match form {
        proto::PayloadForm::Json => record.frame(),
        proto::PayloadForm::Value => value_frame(record).clone(),
    }
}

/// Encodes the structured form of large payloads on a blocking thread.
pub async fn make_values(records: Vec<Arc<Record>>) {
    let size = records.iter().map(|record| record.size()).sum();
    let made = off_thread(size, move || {
        for record in records {
            value_frame(&record);
        }
    });
    // Fails only when the runtime stops; the form is then encoded on demand.
    made.await.ok();
}

fn value_frame(record: &Record) -> &Bytes {
    record.value_frame(|| with_value(&record.frame()))
}

/// Encodes the frame again with its payload as a structured value.
fn with_value(json: &Bytes) -> Bytes {
    let mut message = decode(json);
    if let Some(proto::listen_event::Event::Broadcast(broadcast)) = &mut message.event {
        broadcast.payload = broadcast.payload.take().map(convert::payload_as_value);
    }
    frame(&message)
}

/// Encodes a message as a frame.
pub(super) fn frame(message: &impl Message) -> Bytes {
    let mut bytes = BytesMut::with_capacity(PREFIX + message.encoded_len());
    put_frame(&mut bytes, message);
    bytes.freeze()
}

fn put_frame(bytes: &mut BytesMut, message: &impl Message) {
    bytes.put_u8(0);
    // No message comes near 4 GiB: payloads, answers and status pages are bounded.
    bytes.put_u32(u32::try_from(message.encoded_len()).unwrap_or(u32::MAX));
    message.encode_raw(bytes);
}

/// Decodes a broadcast for a server that sends another form.
#[must_use]
pub fn decode_broadcast(record: &Record) -> Option<PlainBroadcast> {
    use proto::listen_event::Event as In;
    let Some(In::Broadcast(broadcast)) = decode(&record.frame()).event else {
        return None;
    };
    let Some(proto::payload::Form::Json(payload)) = broadcast.payload?.form else {
        return None;
    };
    Some(PlainBroadcast {
        id: broadcast.id,
        name: broadcast.name,
        payload,
    })
}

fn decode(frame: &Bytes) -> proto::ListenEvent {
    let message = frame.get(PREFIX..).unwrap_or_default();
    // Never fails: [`encode`] made these bytes.
    proto::ListenEvent::decode(message).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::router::Moment;
    use expd_domain::{Alphabet, Broadcast, BroadcastId, Channel, ChannelId, Payload};

    #[test]
    fn a_batch_is_encoded_as_its_broadcasts_are_one_by_one_in_the_room_reserved_for_it() {
        let channel = Arc::new(Channel::new("menü"));
        let received_at = SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::MAX / 2);
        // The buffers are reused: nothing of a longer text may remain in the next one.
        let texts = [("id", "tick"), ("", "a longer name"), ("5f0c2f9e6f", "n")];
        let mut batch: Vec<Incoming> = texts
            .into_iter()
            .map(|(id, name)| Incoming {
                channel: channel.clone(),
                broadcast: Broadcast {
                    id: BroadcastId::new(id),
                    name: name.to_owned(),
                    channel: ChannelId::encode(name, &channel, Alphabet::UrlSafe),
                    payload: Payload::parse(format!("\"{name}\"")).unwrap(),
                },
                received: Moment::now(),
                received_at,
            })
            .collect();
        let room: usize = batch.iter().map(|it| MAX_FIELDS + text_bytes(it)).sum();
        let first = u64::MAX - 10;
        let mut expected = BytesMut::new();
        for (sequence, incoming) in (first..).zip(&batch) {
            let broadcast = &incoming.broadcast;
            let event = proto::Broadcast {
                id: broadcast.id.as_str().to_owned(),
                name: broadcast.name.clone(),
                channel: Some(convert::channel_out(&channel)),
                channel_id: broadcast.channel.as_str().to_owned(),
                payload: Some(proto::Payload {
                    form: Some(proto::payload::Form::Json(
                        broadcast.payload.as_str().to_owned(),
                    )),
                }),
                received_at: Some(received_at.into()),
            };
            let event = Some(proto::listen_event::Event::Broadcast(event));
            put_frame(&mut expected, &proto::ListenEvent { sequence, event });
        }
        let encoded = encode(first, &mut batch);
        assert_eq!(encoded.bytes, expected);
        assert_eq!(encoded.ends.last(), Some(&expected.len()));
        assert!(encoded.bytes.len() <= room);
        assert!(encode(1, &mut []).ends.is_empty());
    }
}
