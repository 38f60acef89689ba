//! Bytes of an HTTP/2 connection from the fuzzer's, so that it need not find lengths and tables by
//! itself.

use prost::Message as _;
use prost_types::FileDescriptorSet;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Maximum number of bytes that one connection sends.
const MOST: usize = 256 << 10;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Methods that are called: every one of the contract, reflection, and an unknown one. The corpus
/// refers to them by position, so new ones go at the end.
const METHODS: [&str; 21] = [
    "/expd.v1.Network/Listen",
    "/expd.v1.Network/OpenListener",
    "/expd.v1.Network/Broadcast",
    "/expd.v1.Api/GetIdentity",
    "/expd.v1.Daemon/WatchStatus",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/no.such.Service/Method",
    "/expd.v1.Network/Respond",
    "/expd.v1.Network/NextEvent",
    "/expd.v1.Network/CancelListener",
    "/expd.v1.Network/ClearContext",
    "/expd.v1.Api/Request",
    "/expd.v1.Api/Fetch",
    "/expd.v1.Api/GetContentUrl",
    "/expd.v1.Daemon/GetStatus",
    "/expd.v1.Daemon/RunInstance",
    "/expd.v1.Daemon/Explain",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/List",
    "/expd.v1.Daemon/Reload",
];

/// Panics if [`METHODS`] lacks a method of the contract.
pub fn assert_every_method() {
    let set = FileDescriptorSet::decode(expd_proto::DESCRIPTORS).expect("descriptors");
    for file in &set.file {
        for service in &file.service {
            for method in &service.method {
                let (package, service) = (file.package(), service.name());
                let path = format!("/{package}.{service}/{}", method.name());
                assert!(METHODS.contains(&&*path), "METHODS lacks {path}");
            }
        }
    }
}

/// Kinds of steps in the fuzzer's bytes.
enum Step {
    /// A frame of this type with the payload unchanged.
    Frame(u8),
    /// A call's header block, selected by the payload.
    Call,
    /// DATA with the payload as one gRPC message.
    Message,
}

const KINDS: [Step; 16] = [
    Step::Call,
    Step::Call,
    Step::Message,
    Step::Frame(HEADERS),
    Step::Frame(HEADERS),
    Step::Frame(CONTINUATION),
    Step::Frame(CONTINUATION),
    Step::Frame(DATA),
    Step::Frame(RST_STREAM),
    Step::Frame(SETTINGS),
    Step::Frame(PING),
    Step::Frame(GOAWAY),
    Step::Frame(WINDOW_UPDATE),
    Step::Frame(PRIORITY),
    Step::Frame(PUSH_PROMISE),
    // A type that HTTP/2 does not know.
    Step::Frame(0xfe),
];

/// The preface, SETTINGS unless `how` omits them, and then either the bytes themselves or frames.
pub fn connection(how: u8, rest: &[u8]) -> Vec<u8> {
    let mut bytes = PREFACE.to_vec();
    if how & 1 == 0 {
        frame(SETTINGS, 0, 0, &[], &mut bytes);
    }
    if how & 2 == 0 {
        steps(rest, &mut bytes);
    } else {
        bytes.extend_from_slice(rest);
    }
    bytes.truncate(MOST);
    bytes
}

/// Each step: kind and repetitions, flags, stream, length, and the payload.
fn steps(mut rest: &[u8], bytes: &mut Vec<u8>) {
    let mut next_stream = 1;
    while let [kind, flags, stream, length, after @ ..] = rest
        && bytes.len() < MOST
    {
        let (payload, after) = after.split_at(usize::from(*length).min(after.len()));
        // Floods: up to 512 in a row.
        let repetitions = 1 << (3 * (kind >> 6));
        for _ in 0..repetitions {
            // A new stream, or one by its number.
            let stream = if stream & 0x80 == 0 {
                u32::from(*stream)
            } else {
                next_stream += 2;
                next_stream - 2
            };
            match KINDS[usize::from(kind & 15)] {
                Step::Frame(kind) => frame(kind, *flags, stream, payload, bytes),
                Step::Call => {
                    let method = usize::from(payload.first().copied().unwrap_or_default());
                    let block = block(METHODS[method % METHODS.len()]);
                    frame(
                        HEADERS,
                        flags & END_STREAM | END_HEADERS,
                        stream,
                        &block,
                        bytes,
                    );
                }
                Step::Message => {
                    let mut message = vec![0, 0, 0, 0, *length];
                    message.extend_from_slice(payload);
                    frame(DATA, flags & END_STREAM, stream, &message, bytes);
                }
            }
        }
        rest = after;
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8], bytes: &mut Vec<u8>) {
    let length = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    bytes.extend([length[1], length[2], length[3], kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend_from_slice(payload);
}

/// The header block of a call, in literals without a table.
fn block(path: &str) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ] {
        block.push(0);
        for text in [name, value] {
            // None is longer than 127 bytes.
            block.push(u8::try_from(text.len()).unwrap_or(0));
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}
