//! The name service goes: it refuses, it knows the name no more, or it says nothing.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::house::{House, KNOWN};
use crate::namespace::Namespace;
use expd_test_support::network::Network;
use expd_test_support::traffic::{Traffic, outages};

pub const NAME: &str = "exp.test";

/// From the end of the fault. The C library asks again after 5 s where nobody answers.
const BOUND: Duration = Duration::from_secs(20);

/// Response of the name service to a query.
#[derive(Clone, Copy, Debug)]
pub enum Service {
    Answers,
    /// So it does, and names a second address of the other family.
    AnswersBoth(Ipv6Addr),
    /// The name does not exist.
    Denies,
    /// The service is in trouble.
    Fails,
    Silent,
}

pub async fn are_denied() {
    go(1, Service::Denies).await;
}

pub async fn fail() {
    go(2, Service::Fails).await;
}

pub async fn get_no_answer() {
    go(3, Service::Silent).await;
}

async fn go(number: u32, fault: Service) {
    let space = Namespace::new(number);
    let service = watch::Sender::new(Service::Answers);
    let mut serving = JoinSet::new();
    let socket = UdpSocket::bind((space.host, 53)).await.unwrap();
    serving.spawn(serve(socket, space.host, service.subscribe()));
    std::fs::create_dir_all(space.etc()).unwrap();
    let resolver = format!("nameserver {}\n", space.host);
    std::fs::write(space.etc().join("resolv.conf"), resolver).unwrap();

    let mut network =
        Network::start_with(|hub| hub.listen = SocketAddr::from((space.host, 0))).await;
    let house = House::new(
        &format!("http://{NAME}:{}", network.address().port()),
        KNOWN,
    );
    let mut daemon = house.start(&space.enter());
    let traffic = Traffic::start(&house.client().await, &network.sender()).await;
    service.send_replace(fault);
    // A connection that is there needs no names; the next one does.
    network.kill().await;
    network.start_again().await;
    let said = daemon.said("not connected: opening");
    assert!(
        said.contains(NAME) && said.contains("this machine's DNS"),
        "{said}"
    );
    service.send_replace(Service::Answers);
    let took = traffic.flows(&format!("{fault:?}"), BOUND).await;
    eprintln!(
        "names gone ({fault:?}): back {:.1} s after it",
        took.as_secs_f64()
    );
    for (_, signals) in traffic.end("names gone").await {
        assert_eq!(outages(&signals), Some(1), "{signals:?}");
    }
    daemon.signal("TERM");
    assert!(daemon.ended().success(), "{}", daemon.heard());
    network.stop().await;
}

/// A name service (RFC 1035) that knows one name.
pub async fn serve(socket: UdpSocket, address: Ipv4Addr, service: watch::Receiver<Service>) {
    const HEAD: usize = 12;
    const IPV4: [u8; 2] = [0, 1];
    const IPV6: [u8; 2] = [0, 28];
    let mut packet = [0; 512];
    loop {
        let (length, asker) = socket.recv_from(&mut packet).await.unwrap();
        let question = &packet[HEAD..length];
        // Labels up to the empty one, then type and class.
        let name_end = question.iter().position(|byte| *byte == 0).unwrap() + 1;
        let question = &question[..name_end + 4];
        let kind = &question[name_end..name_end + 2];
        let (code, found) = match *service.borrow() {
            Service::Silent => continue,
            Service::Denies => (3, None),
            Service::Fails => (2, None),
            Service::AnswersBoth(six) if kind == IPV6 => (0, Some(six.octets().to_vec())),
            _ if kind == IPV4 => (0, Some(address.octets().to_vec())),
            _ => (0, None),
        };
        let mut answer = packet[..2].to_vec();
        answer.extend([0x81, 0x80 | code, 0, 1, 0, u8::from(found.is_some())]);
        answer.extend([0, 0, 0, 0]);
        answer.extend(question);
        if let Some(found) = found {
            // The name as in the question, the kind, Internet, not to be kept, the length.
            answer.extend([0xc0, 12, 0, kind[1], 0, 1, 0, 0, 0, 0, 0]);
            answer.push(u8::try_from(found.len()).unwrap());
            answer.extend(found);
        }
        socket.send_to(&answer, asker).await.unwrap();
    }
}
