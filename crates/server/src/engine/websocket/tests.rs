use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::join;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::timeout;

use super::*;

/// Limit of messages.
const MOST: usize = 1024;

/// A WebSocket, and its client's end of a stream that holds so many bytes.
async fn pair(bytes: usize) -> (WebSocket<DuplexStream>, DuplexStream) {
    let (server, client) = duplex(bytes);
    (WebSocket::over(server, MOST, None).await, client)
}

/// Serves a WebSocket to its end. Returns the marks that the client has answered.
async fn serve(mut websocket: WebSocket<DuplexStream>) -> Vec<u64> {
    let mut marks = Vec::new();
    loop {
        match poll_fn(|context| websocket.poll_next(context)).await {
            Received::Mark(mark) => marks.push(mark),
            Received::End => return marks,
            Received::Text(_) | Received::Drained => {}
        }
    }
}

#[tokio::test]
async fn a_client_that_pings_meanwhile_is_sent_whole_packets_in_order() {
    let (mut websocket, client) = pair(1000).await;
    let large = "é".repeat(3 * FRAGMENT);
    for packet in ["40", &large, "42[]"] {
        websocket.queue(Packet::from(packet));
    }
    websocket.queue_mark(7);
    websocket.queue(Packet::from("2"));
    let client = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
    let (mut output, mut input) = client.split();
    let pinging = async {
        for number in 0..50_u8 {
            let ping = Message::Ping(vec![number].into());
            output.send(ping).await.unwrap();
        }
        output
    };
    let reading = async {
        let (mut packets, mut pongs) = (Vec::new(), 0);
        while packets.len() < 4 || pongs == 0 {
            match input.next().await.unwrap().unwrap() {
                Message::Text(packet) => packets.push(packet),
                Message::Pong(_) => pongs += 1,
                Message::Ping(mark) => assert_eq!(*mark, 7_u64.to_be_bytes()),
                other => panic!("{other:?}"),
            }
        }
        packets
    };
    let client = async {
        let (packets, mut output) = tokio::join!(reading, pinging);
        output.close().await.unwrap();
        packets
    };
    let (marks, packets) = tokio::join!(serve(websocket), client);
    assert_eq!(marks, [7]);
    assert_eq!(packets, ["40", &large, "42[]", "2"]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_pings_and_does_not_read_is_not_read_either() {
    const PINGS: usize = 5000;
    const KERNEL: usize = 1000;
    let (mut websocket, mut client) = pair(KERNEL).await;
    let mut frame = Frame::ping(vec![0; 125]);
    frame.header_mut().mask = Some([0; 4]);
    let mut ping = Vec::new();
    frame.format(&mut ping).unwrap();
    let sent = Cell::new(0);
    let pinging = pin!(async {
        while sent.get() < PINGS {
            client.write_all(&ping).await.unwrap();
            sent.set(sent.get() + 1);
        }
    });
    let serving = poll_fn(|context| websocket.poll_next(context));
    let both = timeout(Duration::from_secs(1), join(pinging, serving));
    assert!(both.await.is_err(), "all pings were read");
    let most = MAX_PONGS + (READ_BUFFER + 2 * KERNEL) / ping.len();
    assert!((MAX_PONGS..=most).contains(&sent.get()), "{}", sent.get());
}

#[tokio::test]
async fn the_end_comes_after_everything_that_was_queued() {
    let (mut websocket, client) = pair(1 << 20).await;
    for _ in 0..1000 {
        websocket.queue(Packet::from("x".repeat(1000)));
    }
    websocket.queue_close();
    assert!(!websocket.is_drained());
    let written = poll_fn(|context| websocket.poll_written(context));
    let client = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
    let taken = client.take(1001).collect::<Vec<_>>();
    let (written, taken) = tokio::join!(written, taken);
    assert_eq!(written, Ok(()));
    assert!(websocket.is_drained());
    assert_eq!(taken.len(), 1001);
    assert!(matches!(taken[1000], Ok(Message::Close(None))));
}

#[test]
fn a_large_packet_leaves_in_fragments_that_share_its_bytes() {
    let packet = Packet::from("é".repeat(FRAGMENT));
    let (mut taken, mut joined, mut fragments) = (0, Vec::new(), 0);
    loop {
        let (message, after) = next_fragment(&packet, taken);
        let Message::Frame(frame) = message else {
            panic!("{message:?} is whole");
        };
        let expected = if fragments == 0 {
            Data::Text
        } else {
            Data::Continue
        };
        assert_eq!(frame.header().opcode, OpCode::Data(expected));
        assert!(frame.payload().len() <= FRAGMENT);
        assert!(std::str::from_utf8(frame.payload()).is_ok());
        let offset = frame.payload().as_ptr().addr() - packet.as_ptr().addr();
        assert_eq!(offset, taken, "the fragment is a copy");
        joined.extend_from_slice(frame.payload());
        fragments += 1;
        taken = after;
        assert_eq!(frame.header().is_final, taken == 0);
        if taken == 0 {
            break;
        }
    }
    assert_eq!(joined, packet.as_bytes());
    assert_eq!(fragments, 2);
    let small = Packet::from("2");
    assert!(matches!(next_fragment(&small, 0), (Message::Text(text), 0) if text == small));
}
