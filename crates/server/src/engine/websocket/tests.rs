use std::future::poll_fn;
use std::pin::pin;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncWriteExt as _, DuplexStream, duplex};
use tokio_tungstenite::tungstenite::protocol::frame::Frame;

use super::*;

/// Maximum size of a message.
const MOST: usize = 1024;

/// A WebSocket, and its client's end of a stream with a buffer of this size.
async fn pair(bytes: usize) -> (WebSocket<DuplexStream>, DuplexStream) {
    let (server, client) = duplex(bytes);
    (WebSocket::over(server, MOST, None).await, client)
}

/// Serves a WebSocket to its end. Returns the fences that the client confirmed.
async fn serve(mut websocket: WebSocket<DuplexStream>) -> Vec<u64> {
    let mut fences = Vec::new();
    loop {
        match poll_fn(|context| websocket.poll_next(context)).await {
            Received::Fence(fence) => fences.push(fence),
            Received::End => return fences,
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
    websocket.queue_fence(7);
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
                Message::Ping(fence) => assert_eq!(*fence, 7_u64.to_be_bytes()),
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
    let (fences, packets) = tokio::join!(serve(websocket), client);
    assert_eq!(fences, [7]);
    assert_eq!(packets, ["40", &large, "42[]", "2"]);
}

#[tokio::test]
async fn pings_of_a_client_that_does_not_read_are_not_all_answered() {
    const PINGS: usize = 5000;
    const PAYLOAD: usize = 125;
    const KERNEL: usize = 1000;
    let (mut websocket, mut client) = pair(KERNEL).await;
    let mut frame = Frame::ping(vec![0; PAYLOAD]);
    frame.header_mut().mask = Some([0; 4]);
    let mut ping = Vec::new();
    frame.format(&mut ping).unwrap();
    let mut pinging = pin!(async {
        for _ in 0..PINGS {
            client.write_all(&ping).await.unwrap();
        }
    });
    // The client reads nothing until all its pings are taken.
    poll_fn(|context| {
        assert!(websocket.poll_next(context).is_pending());
        pinging.as_mut().poll(context)
    })
    .await;
    websocket.queue(Packet::from("42[]"));
    let mut client = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
    let reading = async {
        let mut pongs = 0;
        loop {
            match client.next().await.unwrap().unwrap() {
                Message::Pong(_) => pongs += 1,
                Message::Text(packet) => break assert_eq!(packet, "42[]"),
                other => panic!("{other:?}"),
            }
        }
        client.close(None).await.unwrap();
        pongs
    };
    let (_, pongs) = tokio::join!(serve(websocket), reading);
    // The frames in the buffers, and in the kernel in both directions.
    let most = (MAX_GATHERED + MAX_LIBRARY_FRAMES + 2 * KERNEL) / PAYLOAD;
    assert!((1..=most).contains(&pongs), "{pongs}");
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
fn a_large_packet_is_cut_into_fragments_of_whole_characters() {
    let packet = Packet::from(format!("1{}", "é".repeat(FRAGMENT)));
    let (mut taken, mut joined, mut codes) = (0, String::new(), Vec::new());
    while taken < packet.len() {
        let fragment = Fragment::next(&packet, taken);
        taken = fragment.range.end;
        codes.push(fragment.code());
        assert!(fragment.range.len() <= FRAGMENT);
        assert_eq!(fragment.is_last(packet.len()), taken == packet.len());
        joined.push_str(packet.get(fragment.range).unwrap());
    }
    assert_eq!(joined, packet.as_str());
    assert_eq!(codes, [Data::Text, Data::Continue, Data::Continue]);
    let small = Fragment::next(&Packet::from("2"), 0);
    assert!(small.is_last(1) && small.code() == Data::Text);
}
