//! A client's bytes in pieces of any size: no panic, bounded memory, and the output is either the
//! input or readable by h2 without a table. Run it with
//!
//! ```sh
//! RUSTC_BOOTSTRAP=1 cargo fuzz run authority -- -max_total_time=600
//! ```
#![no_main]

use expd_authority::{Course, Rewriter};
use libfuzzer_sys::fuzz_target;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// HEADERS of stream 1 with `:authority: /x`, put into the table.
const BAD_REQUEST: &[u8] = b"\0\0\x05\x01\x04\0\0\0\x01\x83\x41\x02/x";

/// Maximum number of bytes that become ready at once, beyond the input: [`Rewriter::feed`] stops at
/// 64 KiB, to which one block of 64 KiB and the heads of its frames may be added.
const MOST: usize = 2 * 65_536 + 1024;

fuzz_target!(|data: &[u8]| {
    let [kind, piece, rest @ ..] = data else {
        return;
    };
    let mut sent = Vec::new();
    if kind & 1 != 0 {
        sent.extend_from_slice(PREFACE);
    }
    if kind & 2 != 0 {
        sent.extend_from_slice(BAD_REQUEST);
    }
    if kind & 4 != 0 {
        as_frames(rest, &mut sent);
    } else {
        sent.extend_from_slice(rest);
    }

    let (whole, course) = seen(&sent, usize::MAX);
    let (pieces, course_in_pieces) = seen(&sent, usize::from(*piece).max(1));
    assert_eq!(whole, pieces);
    assert_eq!(course, course_in_pieces);

    // Without a bad authority the output is the client's own bytes; a connection that waits for the
    // end of its first request has output none.
    if course == Course::PassThrough || whole == sent {
        assert_eq!(whole, sent);
        return;
    }
    check_rewritten(&whole, course);
});

/// Checks that every header block but a refused client's last can be read without a table.
fn check_rewritten(seen: &[u8], course: Course) {
    let mut rest = seen.strip_prefix(PREFACE).expect("no preface");
    let mut block = Vec::new();
    let mut blocks = 0;
    while let [l0, l1, l2, kind, flags, _, _, _, _, after @ ..] = rest {
        let length = u32::from_be_bytes([0, *l0, *l1, *l2]) as usize;
        let Some((payload, after)) = after.split_at_checked(length) else {
            // Cut within a frame such as DATA, or at the head of a frame that is too long.
            assert!(
                !matches!(kind, 1 | 9)
                    || course == Course::Discard && length > 16_384 && after.is_empty()
            );
            return;
        };
        rest = after;
        if !matches!(kind, 1 | 9) {
            assert!(*kind != 5 && block.is_empty());
            continue;
        }
        assert!(length <= 16_384 && flags & 0x08 == 0);
        if course == Course::Discard && rest.is_empty() && payload == [0x80] {
            return;
        }
        let skipped = if *kind == 1 && flags & 0x20 != 0 {
            5
        } else {
            0
        };
        block.extend_from_slice(&payload[skipped..]);
        if flags & 0x04 != 0 {
            let mut fields = block.as_slice();
            if blocks == 0 {
                fields = fields
                    .strip_prefix(b"\x20")
                    .expect("no update of the table's size");
            }
            while let [how, after @ ..] = fields {
                assert!(matches!(how, 0 | 0x10), "not a literal: {how:x}");
                fields = string(string(after));
            }
            blocks += 1;
            block.clear();
        }
    }
    assert!(rest.is_empty() && block.is_empty() && blocks > 0);
}

/// Rest of the block after an uncompressed string.
fn string(block: &[u8]) -> &[u8] {
    let (first, mut rest) = block.split_first().expect("no length");
    let mut length = usize::from(*first);
    assert!(length < 0x80, "Huffman code");
    if length == 0x7f {
        for place in 0.. {
            length += usize::from(rest[0] & 0x7f) << (7 * place);
            let is_last = rest[0] < 0x80;
            rest = &rest[1..];
            if is_last {
                break;
            }
        }
    }
    &rest[length..]
}

/// Frames from the fuzzer's bytes, so that it need not find lengths by itself: kind, flags, stream,
/// length, and the payload.
fn as_frames(mut rest: &[u8], sent: &mut Vec<u8>) {
    const KINDS: [u8; 8] = [1, 1, 1, 9, 9, 0, 4, 5];
    while let [kind, flags, stream, length, after @ ..] = rest {
        // One bit makes it long, to reach the limits.
        let length = usize::from(*length) << if kind & 0x80 == 0 { 0 } else { 7 };
        let (payload, after) = after.split_at(length.min(after.len()));
        let filling = length - payload.len();
        let octets = u32::try_from(length).unwrap_or(0).to_be_bytes();
        sent.extend_from_slice(&octets[1..]);
        sent.extend([KINDS[usize::from(kind & 7)], *flags, 0, 0, 0, stream & 3]);
        sent.extend_from_slice(payload);
        sent.resize(sent.len() + filling, 0xbe);
        rest = after;
    }
}

fn seen(sent: &[u8], piece: usize) -> (Vec<u8>, Course) {
    let mut rewriter = Rewriter::default();
    let mut all = Vec::new();
    for mut piece in sent.chunks(piece) {
        while !piece.is_empty() {
            let mut out = Vec::new();
            let taken = rewriter.feed(piece, &mut out);
            assert!(taken > 0);
            assert!(out.len() <= MOST + taken);
            all.extend(out);
            piece = &piece[taken..];
        }
    }
    let course = rewriter.course();
    let mut out = Vec::new();
    rewriter.end(&mut out);
    all.extend(out);
    (all, course)
}
