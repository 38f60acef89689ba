mod client;
mod h2_server;
mod hpack;
mod random;

use super::frame::{
    CONTINUATION, END_HEADERS, END_STREAM, HEADERS, PADDED, PRIORITY, PUSH_PROMISE,
};
use super::rewriter::{Course, Rewriter};
use client::{Encoder, How, Part, feed, frame, frames, opening, parts, seen_by_h2};

const BAD: [&str; 8] = [
    "/run/expd/expd.sock",
    "run%2Fexpd%2Fexpd.sock",
    "%2Frun%2Fexpd%2Fexpd.sock",
    "",
    "unix:/run/expd:1:2",
    "a b",
    "x/y",
    "\u{fc}",
];

fn call(authority: &str) -> [(&str, &str); 6] {
    [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/expd.v1.Network/Listen"),
        (":authority", authority),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ]
}

fn call_lines(authority: &str) -> Vec<String> {
    call(authority)
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect()
}

const WHOLE: u8 = END_HEADERS;

#[test]
fn a_connection_whose_first_request_is_fine_is_handed_on_byte_by_byte() {
    for authority in ["localhost", "localhost:80", "[::1]:80", "u@h", "a.b-c_d~e"] {
        let mut encoder = Encoder::new();
        let mut sent = opening();
        sent.extend(frame(8, 0, 0, &[0, 1, 0, 0]));
        let block = encoder.block(&call(authority));
        sent.extend(frame(
            HEADERS,
            WHOLE | PADDED,
            1,
            &[&[3], &block[..], &[0; 3]].concat(),
        ));
        sent.extend(frame(0, END_STREAM, 1, &[0; 100]));
        // Later bytes are not inspected.
        sent.extend(frame(HEADERS, WHOLE, 3, &[0xff; 50]));
        sent.extend(b"nonsense");
        assert_eq!(
            seen_by_h2(&sent),
            (sent, Course::PassThrough),
            "{authority}"
        );
    }
    let mut without = opening();
    without.extend(frame(
        HEADERS,
        WHOLE,
        1,
        &Encoder::new().block(&call("")[..3]),
    ));
    assert_eq!(seen_by_h2(&without), (without.clone(), Course::PassThrough));
}

#[test]
fn what_is_not_http2_is_handed_on() {
    for sent in [
        "GET / HTTP/1.1\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
        "\0",
        "PRI * HTTP/1.1",
    ] {
        let expected = (sent.as_bytes().to_owned(), Course::PassThrough);
        assert_eq!(seen_by_h2(sent.as_bytes()), expected);
    }
}

#[test]
fn a_bad_authority_becomes_localhost_and_all_else_stays() {
    for authority in BAD {
        let mut encoder = Encoder::new();
        let mut sent = opening();
        sent.extend(frame(HEADERS, WHOLE, 1, &encoder.block(&call(authority))));
        sent.extend(frame(0, PADDED | END_STREAM, 1, &[2, 9, 9, 0, 0]));
        // By indices of the client's table only.
        let again = encoder.block(&call(authority));
        assert_eq!(again.len(), 6, "{again:x?}");
        sent.extend(frame(HEADERS, WHOLE | END_STREAM, 3, &again));
        let (seen, course) = seen_by_h2(&sent);
        assert_eq!(course, Course::Inspect, "{authority}");
        let seen = parts(&seen);
        assert_eq!(seen.len(), 4, "{seen:?}");
        assert_eq!(seen[1].lines(), call_lines("localhost"), "{authority}");
        assert!(
            matches!(&seen[2], Part::Frame(head, data) if head.flags == PADDED | END_STREAM && data.len() == 5)
        );
        assert_eq!(seen[3].lines(), call_lines("localhost"), "{authority}");
        assert!(matches!(
            &seen[1],
            Part::Block {
                stream: 1,
                end_stream: false,
                ..
            }
        ));
        assert!(matches!(
            &seen[3],
            Part::Block {
                stream: 3,
                end_stream: true,
                ..
            }
        ));
    }
}

#[test]
fn written_byte_by_byte_a_request_is_literals_behind_a_table_of_no_size() {
    let mut sent = opening();
    sent.extend(frame(
        HEADERS,
        WHOLE,
        1,
        &[0x83, 0x41, 2, b'/', b'x', 0x1f, 0x08, 1, b'k'],
    ));
    sent.extend(frame(HEADERS, WHOLE | END_STREAM, 1, &[0xbe]));
    let mut expected = opening();
    let block = b"\x20\0\x07:method\x04POST\0\x0a:authority\x09localhost\x10\x0dauthorization\x01k";
    expected.extend(frame(HEADERS, WHOLE, 1, block));
    expected.extend(frame(
        HEADERS,
        WHOLE | END_STREAM,
        1,
        b"\0\x0a:authority\x09localhost",
    ));
    assert_eq!(seen_by_h2(&sent), (expected, Course::Inspect));
}

#[test]
fn once_rewriting_an_authority_that_is_fine_stays() {
    let mut encoder = Encoder::new();
    let mut sent = opening();
    sent.extend(frame(HEADERS, WHOLE, 1, &encoder.block(&call("/x"))));
    sent.extend(frame(
        HEADERS,
        WHOLE,
        3,
        &encoder.block(&call("example.com:8080")),
    ));
    let seen = parts(&seen_by_h2(&sent).0);
    assert_eq!(seen[2].lines(), call_lines("example.com:8080"));
}

#[test]
fn trailers_and_several_streams_are_written_anew_too() {
    let mut encoder = Encoder::new();
    let mut sent = opening();
    sent.extend(frame(HEADERS, WHOLE, 1, &encoder.block(&call("/x"))));
    sent.extend(frame(HEADERS, WHOLE, 3, &encoder.block(&call("/y"))));
    sent.extend(frame(0, 0, 1, b"one"));
    sent.extend(frame(
        HEADERS,
        WHOLE | END_STREAM,
        3,
        &encoder.block(&[("checksum", "1")]),
    ));
    sent.extend(frame(6, 0, 0, &[7; 8]));
    sent.extend(frame(
        HEADERS,
        WHOLE | END_STREAM,
        1,
        &encoder.block(&[("checksum", "1"), ("more", "")]),
    ));
    let seen = parts(&seen_by_h2(&sent).0);
    assert_eq!(seen[1].lines(), call_lines("localhost"));
    assert_eq!(seen[2].lines(), call_lines("localhost"));
    assert_eq!(seen[4].lines(), ["checksum: 1"]);
    assert!(matches!(
        seen[4],
        Part::Block {
            stream: 3,
            end_stream: true,
            ..
        }
    ));
    assert_eq!(seen[6].lines(), ["checksum: 1", "more: "]);
    assert!(matches!(
        seen[6],
        Part::Block {
            stream: 1,
            end_stream: true,
            ..
        }
    ));
}

#[test]
fn padding_goes_and_priority_stays() {
    let priority = [0x80, 0, 0, 7, 200];
    let block = Encoder::new().block(&call("/x"));
    let mut sent = opening();
    let payload = [&[4], &priority[..], &block, &[0; 4]].concat();
    sent.extend(frame(HEADERS, WHOLE | PADDED | PRIORITY, 9, &payload));
    let (seen, _) = seen_by_h2(&sent);
    assert_eq!(frames(&seen)[1].0.flags, WHOLE | PRIORITY);
    let seen = parts(&seen);
    assert_eq!(seen[1].lines(), call_lines("localhost"));
    assert!(matches!(&seen[1], Part::Block { priority: kept, .. } if kept[..] == priority));
}

#[test]
fn a_block_may_come_in_many_frames() {
    let block = Encoder::new().block(&call("/run/expd/expd.sock"));
    for cut in 0..block.len() {
        let (first, rest) = block.split_at(cut);
        let mut sent = opening();
        sent.extend(frame(
            HEADERS,
            END_STREAM | PADDED,
            1,
            &[&[1], first, &[0]].concat(),
        ));
        sent.extend(frame(CONTINUATION, 0, 1, &[]));
        sent.extend(frame(CONTINUATION, 0, 1, &rest[..rest.len() / 2]));
        sent.extend(frame(CONTINUATION, WHOLE, 1, &rest[rest.len() / 2..]));
        sent.extend(frame(6, 0, 0, &[7; 8]));
        let seen = parts(&seen_by_h2(&sent).0);
        assert_eq!(seen.len(), 3);
        assert_eq!(seen[1].lines(), call_lines("localhost"));
        assert!(matches!(
            seen[1],
            Part::Block {
                end_stream: true,
                ..
            }
        ));
    }
}

#[test]
fn a_block_that_grew_past_one_frame_is_cut() {
    let mut encoder = Encoder::new();
    let mut sent = opening();
    let long = "x".repeat(3000);
    sent.extend(frame(HEADERS, WHOLE, 1, &encoder.block(&call("/x"))));
    let mut block = encoder.block(&[("long", &long)]);
    // Each request of one octet.
    for _ in 0..19 {
        block.extend(encoder.block(&[("long", &long)]));
    }
    assert!(block.len() < 3000);
    let payload = [&[0, 0, 0, 0, 1], &block[..]].concat();
    sent.extend(frame(HEADERS, WHOLE | PRIORITY | END_STREAM, 3, &payload));
    let (seen, course) = seen_by_h2(&sent);
    assert_eq!(course, Course::Inspect);
    let lengths: Vec<_> = frames(&seen)[2..]
        .iter()
        .map(|(head, _)| (head.kind, head.flags, head.length))
        .collect();
    let rest = 5 + 20 * (1 + 1 + 4 + 3 + 3000) - 3 * 16_384;
    assert_eq!(
        lengths,
        [
            (HEADERS, END_STREAM | PRIORITY, 16_384),
            (CONTINUATION, 0, 16_384),
            (CONTINUATION, 0, 16_384),
            (CONTINUATION, WHOLE, rest),
        ]
    );
    assert_eq!(parts(&seen)[2].lines(), vec![format!("long: {long}"); 20]);
}

#[test]
fn the_clients_table_follows_its_updates() {
    let mut encoder = Encoder::new();
    let mut block = Vec::new();
    encoder.resize(0, &mut block);
    encoder.resize(100, &mut block);
    for (name, value) in call("/x") {
        encoder.field(
            name.as_bytes(),
            value.as_bytes(),
            How::Indexed,
            false,
            &mut block,
        );
    }
    let mut sent = opening();
    sent.extend(frame(HEADERS, WHOLE, 1, &block));
    let mut block = Vec::new();
    encoder.resize(4096, &mut block);
    block.extend(encoder.block(&call("/x")));
    sent.extend(frame(HEADERS, WHOLE, 3, &block));
    sent.extend(frame(HEADERS, WHOLE, 5, &encoder.block(&call("/x"))));
    let seen = parts(&seen_by_h2(&sent).0);
    for part in &seen[1..] {
        assert_eq!(part.lines(), call_lines("localhost"));
    }
}

/// A rewritten request, then a violation: h2 must see something that it refuses, and nothing else.
fn refused_with(then: &[u8], expected: &[u8]) {
    let mut encoder = Encoder::new();
    let mut sent = opening();
    sent.extend(frame(HEADERS, WHOLE, 1, &encoder.block(&call("/x"))));
    let (before, _) = seen_by_h2(&sent);
    sent.extend(then);
    sent.extend(frame(6, 0, 0, &[7; 8]));
    let (seen, course) = seen_by_h2(&sent);
    assert_eq!(course, Course::Discard);
    assert_eq!(&seen[before.len()..], expected);

    // The same violation at the start of a connection reaches h2 unchanged.
    let first = [&opening(), then, &frame(6, 0, 0, &[7; 8])[..]].concat();
    assert_eq!(seen_by_h2(&first), (first.clone(), Course::PassThrough));
}

#[test]
fn what_breaks_the_rules_is_left_for_h2_to_refuse() {
    let poison = frame(HEADERS, WHOLE | END_STREAM, 1, &[0x80]);
    let part = frame(HEADERS, 0, 3, &[0x83]);
    let many = |count, kind: &[u8]| [part.clone(), kind.repeat(count)].concat();
    for (what, sent) in [
        (
            "an index that no table has",
            frame(HEADERS, WHOLE, 3, &[0xff, 0]),
        ),
        ("a field cut short", frame(HEADERS, WHOLE, 3, &[0x40])),
        (
            "a table too large",
            frame(HEADERS, WHOLE, 3, &[0x3f, 0xe2, 0x1f]),
        ),
        ("no stream", frame(HEADERS, WHOLE, 0, &[0x83])),
        (
            "padding longer than the frame",
            frame(HEADERS, WHOLE | PADDED, 3, &[2, 0x83]),
        ),
        (
            "no room for padding",
            frame(HEADERS, WHOLE | PADDED, 3, &[]),
        ),
        (
            "no room for priority",
            frame(HEADERS, WHOLE | PRIORITY, 3, &[0; 4]),
        ),
        (
            "a lone CONTINUATION",
            frame(CONTINUATION, WHOLE, 1, &[0x83]),
        ),
        (
            "PUSH_PROMISE",
            frame(PUSH_PROMISE, WHOLE, 1, &[0, 0, 0, 2, 0x83]),
        ),
        ("DATA within a block", many(1, &frame(0, 0, 1, b"x"))),
        (
            "HEADERS within a block",
            many(1, &frame(HEADERS, WHOLE, 5, &[0x83])),
        ),
        (
            "another stream's CONTINUATION",
            many(1, &frame(CONTINUATION, WHOLE, 5, &[0x83])),
        ),
        (
            "empty CONTINUATIONs without end",
            many(17, &frame(CONTINUATION, 0, 3, &[])),
        ),
        (
            "a block without end",
            many(4, &frame(CONTINUATION, 0, 3, &vec![0x83; 16_384])),
        ),
        ("a list too large", frame(HEADERS, WHOLE, 3, &[0x83; 1_600])),
    ] {
        println!("{what}");
        refused_with(&sent, &poison);
    }
    // A frame that is too long is refused by its header.
    let long = frame(HEADERS, WHOLE, 3, &vec![0x83; 16_385]);
    refused_with(&long, &long[..9]);
}

#[test]
fn long_frames_of_other_kinds_are_h2s_to_judge() {
    let mut sent = opening();
    sent.extend(frame(HEADERS, WHOLE, 1, &Encoder::new().block(&call("/x"))));
    let (before, _) = seen_by_h2(&sent);
    let long = frame(0, 0, 1, &vec![1; 100_000]);
    sent.extend(&long);
    let (seen, course) = seen_by_h2(&sent);
    assert_eq!(seen[before.len()..], long);
    assert_eq!(course, Course::Inspect);
}

#[test]
fn at_the_end_h2_sees_what_was_kept_of_an_unfinished_first_request() {
    let mut sent = opening();
    sent.extend(frame(HEADERS, 0, 1, &Encoder::new().block(&call("/x"))));
    sent.extend(&frame(CONTINUATION, WHOLE, 1, b"xyz")[..11]);
    for cut in 0..sent.len() {
        let mut rewriter = Rewriter::default();
        let mut seen = feed(&mut rewriter, &sent[..cut], usize::MAX);
        rewriter.end(&mut seen);
        assert_eq!(seen, sent[..cut]);
        rewriter.end(&mut seen);
        assert_eq!(seen.len(), cut);
    }
}

#[test]
fn it_stops_when_it_has_made_enough() {
    let mut encoder = Encoder::new();
    let mut rewriter = Rewriter::default();
    let mut sent = opening();
    sent.extend(frame(HEADERS, WHOLE, 1, &encoder.block(&call("/x"))));
    sent.extend(frame(
        HEADERS,
        WHOLE,
        3,
        &encoder.block(&[("long", &"x".repeat(3000))]),
    ));
    feed(&mut rewriter, &sent, usize::MAX);
    // Each block asks for 60,000 bytes with 20 octets.
    let bomb = frame(HEADERS, WHOLE, 5, &[0xbe; 20]).repeat(1000);
    let mut out = Vec::new();
    let taken = rewriter.feed(&bomb, &mut out);
    assert!(
        taken < bomb.len() && out.len() < 3 * 65_536,
        "{taken} of {}: {}",
        bomb.len(),
        out.len()
    );
}

#[test]
fn what_came_is_not_told() {
    let mut rewriter = Rewriter::default();
    feed(&mut rewriter, &opening(), 100);
    assert_eq!(format!("{rewriter:?}"), "Rewriter { course: Inspect, .. }");
}
