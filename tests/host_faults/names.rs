//! The name service goes: it refuses, it knows the name no more, or it says nothing.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::house::{House, KNOWN};
use crate::namespace::Namespace;
use expd_test_support::network::Network;
use expd_test_support::traffic::{Traffic, outages};

const NAME: &str = "exp.test";

/// From the end of the fault. The C library asks again after 5 s where nobody answers.
const BOUND: Duration = Duration::from_secs(20);

/// Response of the name service to a query.
#[derive(Clone, Copy, Debug)]
enum Service {
    Answers,
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
async fn serve(socket: UdpSocket, address: Ipv4Addr, service: watch::Receiver<Service>) {
    const HEAD: usize = 12;
    const IPV4: [u8; 2] = [0, 1];
    let mut packet = [0; 512];
    loop {
        let (length, asker) = socket.recv_from(&mut packet).await.unwrap();
        let question = &packet[HEAD..length];
        // Labels up to the empty one, then type and class.
        let name_end = question.iter().position(|byte| *byte == 0).unwrap() + 1;
        let question = &question[..name_end + 4];
        let (code, answers) = match *service.borrow() {
            Service::Silent => continue,
            Service::Denies => (3, 0),
            Service::Fails => (2, 0),
            Service::Answers => (0, u8::from(question[name_end..name_end + 2] == IPV4)),
        };
        let mut answer = packet[..2].to_vec();
        answer.extend([0x81, 0x80 | code, 0, 1, 0, answers, 0, 0, 0, 0]);
        answer.extend(question);
        if answers > 0 {
            // The name as in the question, IPv4, Internet, not to be kept, four bytes.
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
            answer.extend(address.octets());
        }
        socket.send_to(&answer, asker).await.unwrap();
    }
}
