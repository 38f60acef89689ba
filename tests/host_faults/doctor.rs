//! `expd doctor` on a host with a fault: it names the fault and what to do.

use std::net::{Ipv6Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clock::LIBRARY;
use crate::house::{House, KNOWN};
use crate::machine::library;
use crate::names::{NAME, Service, serve};
use crate::namespace::Namespace;
use expd_test_support::network::Network;
use expd_test_support::process::program;

/// Findings of doctor, run with what `before` has before it, and its exit status.
async fn examine(house: &House, before: &[String]) -> (Value, Option<i32>) {
    let program = program().display().to_string();
    let mut words = before.to_vec();
    words.push(program);
    let mut command = Command::new(&words[0]);
    command
        .args(&words[1..])
        .args(["doctor", "--json", "--config"])
        .arg(house.path("expd.toml"))
        .arg("--socket")
        .arg(house.path("expd.sock"))
        .env_remove("EXPD_SOCKET")
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = output.await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let document = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    (document, output.status.code())
}

/// A check's finding at a level, and the remedy.
fn found<'d>(document: &'d Value, check: &str, level: &str) -> (&'d str, &'d str) {
    let findings = document["findings"].as_array().unwrap();
    let wanted = |it: &&Value| it["check"] == check && it["level"] == level;
    let finding = findings.iter().find(wanted);
    let finding = finding.unwrap_or_else(|| panic!("no {level} of {check}: {document:#}"));
    (
        finding["found"].as_str().unwrap(),
        finding["remedy"].as_str().unwrap(),
    )
}

/// The name has addresses of both families, of which one leads nowhere.
pub async fn finds_a_silent_family() {
    let space = Namespace::new(6);
    let six = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
    space.add_silent_ipv6("fd00::2/64");
    let service = watch::Sender::new(Service::AnswersBoth(six));
    let mut serving = JoinSet::new();
    let socket = UdpSocket::bind((space.host, 53)).await.unwrap();
    serving.spawn(serve(socket, space.host, service.subscribe()));
    std::fs::create_dir_all(space.etc()).unwrap();
    let resolver = format!("nameserver {}\n", space.host);
    std::fs::write(space.etc().join("resolv.conf"), resolver).unwrap();
    let mut network =
        Network::start_with(|hub| hub.listen = SocketAddr::from((space.host, 0))).await;
    let url = format!("http://{NAME}:{}", network.address().port());
    let house = House::new(&url, KNOWN);
    let enter = space.enter().map(str::to_owned);
    let mut daemon = house.start(&space.enter());
    daemon.said("online");

    let (document, status) = examine(&house, &enter).await;
    let (dns, _) = found(&document, "dns", "ok");
    assert!(dns.contains("1 IPv4 and 1 IPv6"), "{dns}");
    let (what, remedy) = found(&document, "connect", "warning");
    assert!(what.contains("[fd00::1]"), "{what}");
    assert!(remedy.contains("other family is used"), "{remedy}");
    // A warning is no fault: the programs are served.
    assert_eq!(
        (&document["faults"], status),
        (&0.into(), Some(0)),
        "{document:#}"
    );

    service.send_replace(Service::Denies);
    let (document, status) = examine(&house, &enter).await;
    let (what, remedy) = found(&document, "dns", "fault");
    assert!(what.contains(NAME), "{what}");
    assert!(remedy.contains("resolv.conf"), "{remedy}");
    assert_eq!(status, Some(1));
    daemon.signal("TERM");
    assert!(daemon.ended().success(), "{}", daemon.heard());
    network.stop().await;
}

/// The host's clock is a day ahead, or has begun anew in 1970.
pub async fn finds_a_wrong_clock() {
    let mut network = Network::start(Duration::from_secs(3600)).await;
    let house = House::new(&format!("http://{}", network.address()), KNOWN);
    let preload = format!("LD_PRELOAD={}", library(LIBRARY).unwrap().display());
    let by_the_clock = |offset: &str| {
        let clock = format!("FAKETIME={offset}");
        let monotonic = "FAKETIME_DONT_FAKE_MONOTONIC=1".to_owned();
        vec!["env".to_owned(), preload.clone(), clock, monotonic]
    };
    let (document, _) = examine(&house, &by_the_clock("+1d")).await;
    let (what, remedy) = found(&document, "clock", "warning");
    assert!(what.contains("ahead of EXP's"), "{what}");
    assert!(remedy.contains("timedatectl"), "{remedy}");
    let (document, status) = examine(&house, &by_the_clock("@1970-01-01 00:00:10")).await;
    let (what, _) = found(&document, "clock", "fault");
    assert!(what.contains("before 2025"), "{what}");
    assert_eq!(status, Some(1));
    network.stop().await;
}
