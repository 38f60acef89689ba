//! A broadcast arrives once or not at all, and what the caller is told of it is so, whatever moment
//! the connection breaks in.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use expd::upstream::transport::{SendLatch, Unbounded};
use expd_domain::{Channel, Fate, Payload};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::world::*;
use expd_test_support::cloud::session;

const HOUR: Duration = Duration::from_secs(3600);

/// Number of complete arrivals of each broadcast, by the number that it carries.
type Arrived = Arc<Mutex<HashMap<u32, u32>>>;

/// A server whose connections break in every moment that there is: before a request, while it is
/// being read, once it is read, in the middle of the answer, and right after it, when the client
/// may have taken the connection for the next request already.
async fn brittle(arrived: Arrived, seed: u64) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut connections = JoinSet::new();
        for number in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            let chance = StdRng::seed_from_u64(seed ^ number);
            connections.spawn(connection(stream, arrived.clone(), chance));
            while connections.try_join_next().is_some() {}
        }
    });
    (url, serving)
}

async fn connection(mut stream: TcpStream, arrived: Arrived, mut chance: StdRng) {
    let mut bytes = Vec::new();
    loop {
        let ending = chance.random_range(0..8);
        // One closes while it is idle: at once, or just when the next request comes.
        let idle = Duration::from_micros(chance.random_range(0..1500));
        let reads = async {
            loop {
                if let Some(request) = take_request(&mut bytes) {
                    return Some(request);
                }
                if ending == 1 && !bytes.is_empty() {
                    return None;
                }
                if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                    return None;
                }
            }
        };
        let request = if ending == 0 {
            tokio::time::timeout(idle, reads).await.ok().flatten()
        } else {
            reads.await
        };
        let Some((path, body)) = request else {
            return;
        };
        if path.ends_with("/login") {
            let expd_test_support::cloud::Reply::Answer { body, .. } = session("t", HOUR) else {
                unreachable!()
            };
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all((head + &body).as_bytes()).await.ok();
            continue;
        }
        let number = body.split("\"payload\":").nth(1).unwrap();
        let number = number.split(',').next().unwrap().parse().unwrap();
        *arrived.lock().unwrap().entry(number).or_default() += 1;
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]";
        let part = match ending {
            2 => &answer[..0],
            3 => &answer[..20],
            4 => &answer[..answer.len() - 1],
            _ => &answer[..],
        };
        stream.write_all(part).await.ok();
        if ending <= 5 {
            // Unread bytes make it a reset.
            return;
        }
    }
}

/// A whole request with its path and body.
fn take_request(bytes: &mut Vec<u8>) -> Option<(String, String)> {
    let text = String::from_utf8(bytes.clone()).ok()?;
    let (head, rest) = text.split_once("\r\n\r\n")?;
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    let body = rest.get(..length)?.to_owned();
    let path = head.split(['?', ' ']).nth(1).unwrap().to_owned();
    bytes.drain(..head.len() + 4 + length);
    Some((path, body))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_breaks_when_nothing_arrives_twice_and_what_is_told_is_so() {
    let arrived = Arrived::default();
    let (url, _serving) = brittle(arrived.clone(), 7).await;
    let instance = Instance::start(&settings(&url, device("u", "s")));
    instance.logs_in().await;
    let mut callers = JoinSet::new();
    for caller in 0..4 {
        let api = instance.api.clone();
        callers.spawn(async move {
            let mut told = Vec::new();
            let mut chance = StdRng::seed_from_u64(caller);
            for number in (0..500).map(|n| u32::try_from(caller).unwrap() * 1000 + n) {
                let payload = Payload::parse(number.to_string()).unwrap();
                let latch = SendLatch::default();
                let channel = Channel::new("menu");
                let sending =
                    api.broadcast(&channel, "hi", &payload, Duration::ZERO, &latch, &Unbounded);
                tokio::pin!(sending);
                // Some lose patience, before or after it has left.
                let patience = Duration::from_micros(chance.random_range(0..2000));
                let answer = match tokio::time::timeout(patience, &mut sending).await {
                    Ok(answer) => answer,
                    Err(_) if latch.try_cancel() => {
                        told.push((number, Some(Fate::Refused)));
                        continue;
                    }
                    Err(_) => sending.await,
                };
                told.push((number, answer.err().map(|error| error.fate())));
            }
            told
        });
    }
    let mut figures = HashMap::new();
    let mut told = Vec::new();
    while let Some(some) = callers.join_next().await {
        told.extend(some.unwrap());
    }
    let arrived = arrived.lock().unwrap();
    for (number, fate) in told {
        let times = arrived.get(&number).copied().unwrap_or_default();
        let right = match fate {
            None | Some(Fate::Sent) => times == 1,
            Some(Fate::Refused) => times == 0,
            Some(Fate::Unknown) => times <= 1,
        };
        assert!(
            right,
            "{number} arrived {times} times, and was told {fate:?}"
        );
        *figures.entry((format!("{fate:?}"), times)).or_insert(0) += 1;
    }
    eprintln!("{figures:?}");
    // Else this tries nothing.
    for seen in [("None", 1), ("Some(Unknown)", 1), ("Some(Refused)", 0)] {
        let count = figures.get(&(seen.0.to_owned(), seen.1)).copied();
        assert!(count.unwrap_or(0) > 10, "{seen:?}: {figures:?}");
    }
}
