//! The blocks of the specification, and the limits of the table.

use bytes::Bytes;

use super::super::hpack::{Decoder, Field, HpackError, NO_TABLE};

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

fn lines(fields: &[Field]) -> Vec<String> {
    let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    let line = |field: &Field| format!("{}: {}", text(&field.name), text(&field.value));
    fields.iter().map(line).collect()
}

/// The sequences of appendix C, plain and Huffman-coded, with the size of the table after each
/// block.
#[test]
fn the_blocks_of_the_specification_are_read() {
    let requests = [
        (
            ":method: GET|:scheme: http|:path: /|:authority: www.example.com",
            57,
        ),
        (
            ":method: GET|:scheme: http|:path: /|:authority: www.example.com|cache-control: no-cache",
            110,
        ),
        (
            ":method: GET|:scheme: https|:path: /index.html|:authority: www.example.com|custom-key: custom-value",
            164,
        ),
    ];
    let responses = [
        (
            ":status: 302|cache-control: private|date: Mon, 21 Oct 2013 20:13:21 GMT|location: https://www.example.com",
            222,
        ),
        (
            ":status: 307|cache-control: private|date: Mon, 21 Oct 2013 20:13:21 GMT|location: https://www.example.com",
            222,
        ),
        (
            ":status: 200|cache-control: private|date: Mon, 21 Oct 2013 20:13:22 GMT|location: https://www.example.com|content-encoding: gzip|set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
            215,
        ),
    ];
    let plain_requests = [
        "828684410f7777772e6578616d706c652e636f6d",
        "828684be58086e6f2d6361636865",
        "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
    ];
    let coded_requests = [
        "828684418cf1e3c2e5f23a6ba0ab90f4ff",
        "828684be5886a8eb10649cbf",
        "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
    ];
    let plain_responses = [
        "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d",
        "4803333037c1c0bf",
        "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31",
    ];
    let coded_responses = [
        "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
        "4883640effc1c0bf",
        "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
    ];
    for (table, blocks, expected) in [
        (4096, plain_requests, requests),
        (4096, coded_requests, requests),
        (256, plain_responses, responses),
        (256, coded_responses, responses),
    ] {
        let mut decoder = Decoder::new(table, 1 << 16);
        for (block, (list, table_size)) in blocks.iter().zip(expected) {
            let fields = decoder.decode(&hex(block)).unwrap();
            assert_eq!(lines(&fields).join("|"), list);
            assert_eq!(decoder.table.size, table_size, "{list}");
        }
    }
}

#[test]
fn the_table_takes_what_fits_and_forgets_the_oldest() {
    let mut decoder = Decoder::new(100, 1 << 16);
    // a: b, c: d, e: f have size 34 each; the third evicts the first.
    decoder
        .decode(&hex("400161016240016301644001650166"))
        .unwrap();
    assert_eq!(
        lines(&decoder.decode(&[0xbe, 0xbf]).unwrap()),
        ["e: f", "c: d"]
    );
    assert_eq!(decoder.decode(&[0xc0]), Err(HpackError::Index(64)));
    // A field larger than the table empties it, and is decoded nevertheless.
    let mut large = vec![0x40, 1, b'x', 80];
    large.extend([b'y'; 80]);
    assert_eq!(decoder.decode(&large).unwrap().len(), 1);
    assert_eq!(decoder.decode(&[0xbe]), Err(HpackError::Index(62)));
    assert_eq!(decoder.table.size, 0);
    // A name from the table, whose entry the new field evicts.
    decoder.decode(&hex("4001610162")).unwrap();
    let mut again = vec![0x7e, 60];
    again.extend([b'z'; 60]);
    assert_eq!(decoder.decode(&again).unwrap()[0].name, "a");
    assert_eq!(decoder.table.fields.len(), 1);
}

#[test]
fn the_table_is_as_large_as_the_client_says_up_to_the_limit() {
    let mut decoder = Decoder::new(4096, 1 << 16);
    decoder.decode(&hex("40016101624001630164")).unwrap();
    // To 34 and back to 4096 at the start of a block: only the newest field is left.
    assert_eq!(
        lines(&decoder.decode(&hex("3f033fe11fbe")).unwrap()),
        ["c: d"]
    );
    assert_eq!(decoder.decode(&[0xbf]), Err(HpackError::Index(63)));
    assert_eq!(
        decoder.decode(&hex("3fe21f")),
        Err(HpackError::TableSize(4097))
    );
    assert_eq!(decoder.decode(&hex("8220")), Err(HpackError::LateTableSize));
    assert_eq!(decoder.decode(&[0x20]).unwrap(), []);
    assert_eq!(decoder.decode(&[0xbe]), Err(HpackError::Index(62)));
}

#[test]
fn what_is_no_block_is_refused() {
    for (block, error) in [
        ("80", HpackError::Index(0)),
        ("c0", HpackError::Index(64)),
        ("ffffffff7f", HpackError::Index(268_435_582)),
        ("ffffffffff", HpackError::Integer),
        ("ff8080808080", HpackError::Integer),
        ("ff", HpackError::Short),
        ("40", HpackError::Short),
        ("4001", HpackError::Short),
        ("400161", HpackError::Short),
        ("4001610262", HpackError::Short),
        ("007fffffff7f", HpackError::Short),
        ("0081ff00", HpackError::Huffman),
        ("3f", HpackError::Short),
    ] {
        let mut decoder = Decoder::new(4096, 1 << 16);
        assert_eq!(decoder.decode(&hex(block)), Err(error), "{block}");
    }
    let mut decoder = Decoder::new(4096, 100);
    assert_eq!(decoder.decode(&[0x82; 2]).unwrap().len(), 2);
    assert_eq!(decoder.decode(&[0x82; 3]), Err(HpackError::ListSize(100)));
}

#[test]
fn what_is_written_is_read_again_without_a_table() {
    for length in [0, 1, 126, 127, 128, 254, 255, 256, 16_510, 16_511, 40_000] {
        for never_indexed in [false, true] {
            let field = Field {
                name: Bytes::from_static(b"some-name"),
                value: vec![b'v'; length].into(),
                never_indexed,
            };
            let mut block = vec![NO_TABLE];
            field.write(&mut block);
            let mut decoder = Decoder::new(0, 1 << 16);
            assert_eq!(decoder.decode(&block).unwrap(), [field], "{length}");
        }
    }
}
