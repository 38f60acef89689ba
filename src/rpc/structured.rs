//! Limits of a request's message, checked on its bytes before anything is decoded.
//!
//! A decoded `google.protobuf.Value` takes some 50 times its bytes on the wire. A payload in that
//! form has at most [`MAX_BYTES`] bytes and [`MAX_VALUES`] values; text may be as long as any
//! payload.

use tonic::Status;

use super::error;

/// Limit of a structured payload, in bytes of Protocol Buffers.
pub(super) const MAX_BYTES: usize = 1 << 20;

/// Limit of its values (numbers, texts, lists and so on) at all depths.
pub(super) const MAX_VALUES: usize = 100_000;

/// Limit of a message's other fields: names, IDs, options.
pub(super) const MAX_OTHER_BYTES: usize = 256 << 10;

/// Decoders stop at this depth.
const MAX_DEPTH: usize = 100;

const LENGTH_DELIMITED: u64 = 2;

/// `Payload.value`.
const VALUE: u64 = 2;

/// `Value.struct_value`, `Struct.fields`, the value of one of its entries; `Value.list_value`,
/// `ListValue.values`.
const STRUCT: u64 = 5;
const LIST: u64 = 6;
const FIELDS: u64 = 1;
const ENTRY_VALUE: u64 = 2;
const VALUES: u64 = 1;

/// Checks the bytes of a message with a payload in the given field, if any. Malformed bytes are
/// left to the decoder.
///
/// # Errors
/// `RESOURCE_EXHAUSTED`: a limit is exceeded.
pub(super) fn check(message: &[u8], payload: Option<u32>) -> Result<(), Status> {
    let payload = payload.map(u64::from);
    let mut rest = message.len();
    let (mut bytes, mut values) = (0, 0);
    for (number, field) in MessageFields(message) {
        if Some(number) != payload {
            continue;
        }
        rest = rest.saturating_sub(field.len());
        for (number, value) in MessageFields(field) {
            if number == VALUE {
                bytes += value.len();
                if bytes > MAX_BYTES || !count(value, &mut values, MAX_DEPTH) {
                    return Err(error::exhausted(format_args!(
                        "the payload as a structured value has more than {MAX_BYTES} bytes or {MAX_VALUES} values; send it as text (payload.json)"
                    )));
                }
            }
        }
    }
    if rest > MAX_OTHER_BYTES {
        return Err(error::exhausted(format_args!(
            "the request has {rest} bytes besides its payload; at most {MAX_OTHER_BYTES} are allowed"
        )));
    }
    Ok(())
}

/// Counts the values of a Value; false once there are too many.
fn count(value: &[u8], values: &mut usize, levels: usize) -> bool {
    *values += 1;
    // The decoder refuses deeper values.
    let Some(levels) = levels.checked_sub(1) else {
        return true;
    };
    *values <= MAX_VALUES
        && MessageFields(value).all(|(number, field)| match number {
            LIST => MessageFields(field)
                .all(|(number, item)| number != VALUES || count(item, values, levels)),
            STRUCT => MessageFields(field).all(|(number, entry)| {
                number != FIELDS
                    || MessageFields(entry)
                        .all(|(number, item)| number != ENTRY_VALUE || count(item, values, levels))
            }),
            _ => true,
        })
}

/// Number and bytes of a message's length-delimited fields, as far as it is well-formed.
struct MessageFields<'a>(&'a [u8]);

impl<'a> Iterator for MessageFields<'a> {
    type Item = (u64, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let key = self.varint()?;
            let number = key >> 3;
            match key & 7 {
                0 => drop(self.varint()?),
                1 => drop(self.bytes(8)?),
                LENGTH_DELIMITED => {
                    let length = usize::try_from(self.varint()?).ok()?;
                    return Some((number, self.bytes(length)?));
                }
                // These messages have no groups; the decoder skips or refuses them.
                3 | 4 => {}
                5 => drop(self.bytes(4)?),
                _ => return None,
            }
        }
    }
}

impl<'a> MessageFields<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use prost_types::value::Kind;
    use prost_types::{ListValue, Struct, Value};

    use super::*;
    use expd_proto as proto;
    use expd_proto::payload::Form;

    const PAYLOAD: Option<u32> = Some(4);

    fn request(form: Form) -> Vec<u8> {
        let request = proto::BroadcastRequest {
            name: "n".to_owned(),
            payload: Some(proto::Payload { form: Some(form) }),
            ..Default::default()
        };
        request.encode_to_vec()
    }

    fn list(values: Vec<Value>) -> Value {
        let kind = Some(Kind::ListValue(ListValue { values }));
        Value { kind }
    }

    fn refused(message: &[u8]) -> bool {
        check(message, PAYLOAD).is_err()
    }

    #[test]
    fn values_are_counted_in_lists_and_structs_of_any_depth() {
        let number = |n| Value {
            kind: Some(Kind::NumberValue(f64::from(n))),
        };
        let fields = |n: i32| {
            let fields = (0..n).map(|n| (n.to_string(), list(vec![number(n)])));
            let kind = Kind::StructValue(Struct {
                fields: fields.collect(),
            });
            Value { kind: Some(kind) }
        };
        assert!(!refused(&request(Form::Value(fields(1000)))));
        let deep = |n| {
            (0..20).fold(list(vec![Value::default(); n]), |inner, _| {
                list(vec![inner])
            })
        };
        assert!(!refused(&request(Form::Value(deep(MAX_VALUES - 21)))));
        assert!(refused(&request(Form::Value(deep(MAX_VALUES - 20)))));
    }

    #[test]
    fn text_may_be_long_and_a_structured_value_may_not() {
        let text = "x".repeat(MAX_BYTES + 1);
        assert!(!refused(&request(Form::Json(text.clone()))));
        let kind = Some(Kind::StringValue(text));
        assert!(refused(&request(Form::Value(Value { kind }))));
    }

    #[test]
    fn values_in_several_parts_count_together() {
        // The decoder merges them.
        let part = request(Form::Value(list(vec![Value::default(); MAX_VALUES / 2])));
        assert!(!refused(&part));
        assert!(refused(&[&part[..], &part, &part].concat()));
    }

    #[test]
    fn whatever_surrounds_the_payload_is_small() {
        let request = |context: usize| {
            let request = proto::BroadcastRequest {
                instance: "i".repeat(context),
                ..Default::default()
            };
            request.encode_to_vec()
        };
        assert!(!refused(&request(MAX_OTHER_BYTES - 10)));
        assert!(refused(&request(MAX_OTHER_BYTES + 1)));
    }

    #[test]
    fn what_cannot_be_read_is_left_to_the_decoder() {
        for broken in [
            &[0xff_u8; 30][..],
            &[0x22, 0x7f],
            &[0x07],
            &[0x22, 2, 0x12, 9],
        ] {
            assert!(!refused(broken), "{broken:?}");
        }
    }
}
