//! Faults of the host under the real daemon: after each it is back by itself within a stated bound (docs/faults.md), its streams
//! stayed open, and what was lost was told.
//!
//! All at once, since most of the time each waits. `EXPD_HOST_FAULT=clock` plays the ones with that in their name alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod clock;
mod descriptors;
mod disk;
mod house;
mod machine;
mod names;
mod namespace;
mod packets;
mod suspend;

use std::io::Write as _;
use std::time::Instant;

use futures_util::future::BoxFuture;
use machine::Need;

/// One fault, what it needs of the machine, and how it is played.
struct Fault {
    name: &'static str,
    needs: &'static [Need],
    play: fn() -> BoxFuture<'static, ()>,
}

/// A wire into a network namespace.
const WIRE: Need = Need::Works(&[
    "unshare", "--net", "ip", "link", "add", "here", "type", "veth", "peer", "name", "there",
]);

/// A disk in a mount namespace.
const DISK: Need = Need::Works(&["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]);

const FAULTS: &[Fault] = &[
    Fault {
        name: "packets are dropped",
        needs: &[
            WIRE,
            Need::Works(&["unshare", "--net", "iptables", "-A", "OUTPUT", "-j", "DROP"]),
        ],
        play: || Box::pin(packets::are_dropped()),
    },
    Fault {
        name: "names are denied",
        needs: &[WIRE],
        play: || Box::pin(names::are_denied()),
    },
    Fault {
        name: "the name service fails",
        needs: &[WIRE],
        play: || Box::pin(names::fail()),
    },
    Fault {
        name: "the name service is silent",
        needs: &[WIRE],
        play: || Box::pin(names::get_no_answer()),
    },
    Fault {
        name: "the clock jumps",
        needs: &[Need::Library(clock::LIBRARY)],
        play: || Box::pin(clock::jumps()),
    },
    Fault {
        name: "the process is suspended",
        needs: &[],
        play: || Box::pin(suspend::and_resume()),
    },
    Fault {
        name: "the disk is full",
        needs: &[DISK],
        play: || Box::pin(disk::is_full()),
    },
    Fault {
        name: "the disk is full or read-only at the start",
        needs: &[DISK],
        play: || Box::pin(disk::is_full_or_read_only_at_the_start()),
    },
    Fault {
        name: "the disk takes no log",
        needs: &[],
        play: || Box::pin(disk::takes_no_log()),
    },
    Fault {
        name: "the descriptors are used up",
        needs: &[],
        play: || Box::pin(descriptors::are_used_up()),
    },
    Fault {
        name: "the descriptors are few",
        needs: &[Need::Works(&["prlimit", "--nofile=64:64", "true"])],
        play: || Box::pin(descriptors::are_few()),
    },
];

#[test]
fn every_fault_of_the_host_is_recovered_from_and_told() {
    let wanted = std::env::var("EXPD_HOST_FAULT").unwrap_or_default();
    let mut playing = Vec::new();
    for fault in FAULTS.iter().filter(|fault| fault.name.contains(&wanted)) {
        if let Some(lacking) = machine::lacks(fault.needs) {
            // Not through what the test harness holds back of a test that passes.
            writeln!(std::io::stderr(), "SKIPPED: {}: {lacking}", fault.name).unwrap();
            continue;
        }
        // A thread and a runtime each: what one waits for does not keep another waiting.
        let played = std::thread::Builder::new().name(fault.name.to_owned());
        let played = played.spawn(move || {
            let began = Instant::now();
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on((fault.play)());
            eprintln!(
                "{}: {:.0} s in all",
                fault.name,
                began.elapsed().as_secs_f64()
            );
        });
        playing.push((fault.name, played.unwrap()));
    }
    let mut failed = Vec::new();
    for (name, played) in playing {
        if played.join().is_err() {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "{failed:?}; each has said why above");
}
