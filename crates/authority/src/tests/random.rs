//! Random requests in random encodings: the same fields come out, with another authority.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use super::super::frame::{CONTINUATION, END_HEADERS, END_STREAM, HEADERS, PADDED, PRIORITY};
use super::super::rewriter::{Course, Rewriter};
use super::client::{Encoder, How, Part, feed, frame, opening, parts};

const NAMES: [&str; 6] = ["user-agent", "te", "grpc-timeout", "x", "host", "cookie"];

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

fn octets(random: &mut StdRng, most: usize) -> Vec<u8> {
    let length = random.random_range(0..=most);
    (0..length).map(|_| random.random()).collect()
}

fn fields(random: &mut StdRng, authority: Option<&[u8]>) -> Fields {
    let mut fields = vec![(b":method".to_vec(), b"POST".to_vec())];
    if let Some(authority) = authority {
        fields.push((b":authority".to_vec(), authority.to_vec()));
    }
    for _ in 0..random.random_range(0..8) {
        let name = NAMES.choose(random).unwrap().as_bytes().to_vec();
        let most = *[3, 30, 300, 5000].choose(random).unwrap();
        let value = if random.random_bool(0.5) {
            b"the same".to_vec()
        } else {
            octets(random, most)
        };
        fields.push((name, value));
    }
    fields
}

/// A block in frames, randomly cut, padded and with a priority.
fn sent_as(random: &mut StdRng, stream: u32, end_stream: bool, block: &[u8], sent: &mut Vec<u8>) {
    let mut flags = if end_stream { END_STREAM } else { 0 };
    let mut pieces = Vec::new();
    let mut rest = block;
    while !rest.is_empty() && pieces.len() < 6 {
        let (piece, after) = rest.split_at(random.random_range(0..=rest.len().min(16_000)));
        pieces.push(piece);
        rest = after;
    }
    pieces.extend(rest.chunks(16_000));
    let mut payload = Vec::new();
    let padding = random.random_range(0..200);
    let padded = random.random_bool(0.3);
    if padded {
        flags |= PADDED;
        payload.push(padding);
    }
    if random.random_bool(0.3) {
        flags |= PRIORITY;
        payload.extend([0, 0, 0, 0, 9]);
    }
    let (first, rest) = pieces.split_first().unwrap();
    payload.extend(*first);
    if padded {
        payload.resize(payload.len() + usize::from(padding), 0);
    }
    if rest.is_empty() {
        flags |= END_HEADERS;
    }
    sent.extend(frame(HEADERS, flags, stream, &payload));
    for (place, piece) in rest.iter().enumerate() {
        let flags = if place + 1 == rest.len() {
            END_HEADERS
        } else {
            0
        };
        sent.extend(frame(CONTINUATION, flags, stream, piece));
    }
}

#[test]
fn any_fields_in_any_form_come_out_the_same() {
    for seed in 0..400 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut encoder = Encoder::new();
        let mut sent = opening();
        let mut expected: Vec<Fields> = Vec::new();
        for number in 0..random.random_range(1..12_u32) {
            let authority = match (number, random.random_range(0..4)) {
                (0, _) | (_, 0) => Some(&b"/run/x"[..]),
                (_, 1) => Some(&b"fine:1"[..]),
                (_, 2) => Some(&b"b%ad"[..]),
                _ => None,
            };
            let mut list = fields(&mut random, authority);
            let mut block = Vec::new();
            if random.random_bool(0.2) {
                let limit = random.random_range(0..=4096);
                encoder.resize(limit, &mut block);
            }
            for (name, value) in &list {
                let how = *[How::Indexed, How::Indexed, How::Literal, How::NeverIndexed]
                    .choose(&mut random)
                    .unwrap();
                encoder.field(name, value, how, random.random(), &mut block);
            }
            let end_stream = random.random();
            sent_as(&mut random, 2 * number + 1, end_stream, &block, &mut sent);
            sent.extend(frame(0, 0, 2 * number + 1, &octets(&mut random, 300)));
            if let Some(authority) = list.get_mut(1).filter(|field| field.0 == b":authority")
                && authority.1 != b"fine:1"
            {
                authority.1 = b"localhost".to_vec();
            }
            expected.push(list);
        }
        let mut rewriter = Rewriter::default();
        let piece = random.random_range(1..3000);
        let seen = feed(&mut rewriter, &sent, piece);
        assert_eq!(rewriter.course(), Course::Inspect, "seed {seed}");
        let lists: Vec<Fields> = parts(&seen)
            .into_iter()
            .filter_map(|part| match part {
                Part::Block { fields, .. } => Some(fields),
                Part::Frame(..) => None,
            })
            .map(|fields| {
                let octets =
                    |field: super::super::hpack::Field| (field.name.to_vec(), field.value.to_vec());
                fields.into_iter().map(octets).collect()
            })
            .collect();
        assert_eq!(lists, expected, "seed {seed}");
    }
}

#[test]
fn garbage_neither_panics_nor_grows() {
    for seed in 0..2000 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut sent = opening();
        sent.extend(frame(
            HEADERS,
            END_HEADERS,
            1,
            &Encoder::new().block(&[(":authority", "/x")]),
        ));
        for _ in 0..random.random_range(0..20) {
            let kind = *[0, 1, 1, 1, 5, 9, 9, 77].choose(&mut random).unwrap();
            let flags = *[
                0,
                END_HEADERS,
                END_HEADERS | PADDED,
                PRIORITY,
                random.random(),
            ]
            .choose(&mut random)
            .unwrap();
            let payload = octets(&mut random, 40);
            sent.extend(frame(kind, flags, random.random_range(0..3), &payload));
        }
        let mut rewriter = Rewriter::default();
        feed(&mut rewriter, &sent, random.random_range(1..200));
    }
}
