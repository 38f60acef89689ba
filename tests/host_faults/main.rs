//! Faults of the host under the real daemon: after each it is back by itself within a stated bound
//! (docs/faults.md), its streams stayed open, and what was lost was told.
//!
//! Most of the time each test waits, so that all can run at once: `cargo test --test host_faults --
//! --test-threads 16`. What the machine does not let a test do, the test says, and passes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod clock;
mod dates;
mod descriptors;
mod disk;
mod doctor;
mod house;
mod links;
mod machine;
mod names;
mod namespace;
mod packets;
mod suspend;

use std::io::Write as _;

use machine::{Need, lacks};

/// A link into a network namespace.
const LINK: Need = Need::Works(&[
    "unshare", "--net", "ip", "link", "add", "here", "type", "veth", "peer", "name", "there",
]);

/// A packet filter in a network namespace.
const FILTER: Need = Need::Works(&["unshare", "--net", "iptables", "-A", "OUTPUT", "-j", "DROP"]);

/// A disk in a mount namespace.
const DISK: Need = Need::Works(&["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]);

/// A limit of open files.
const LIMIT: Need = Need::Works(&["prlimit", "--nofile=64:64", "true"]);

/// One test a fault, with what it needs of the machine.
macro_rules! faults {
    ($($name:ident: [$($need:expr),*] $play:path;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            if let Some(lacking) = lacks(&[$($need),*]) {
                // Not through what the test harness holds back of a test that passes.
                writeln!(std::io::stderr(), "SKIPPED: {}: {lacking}", stringify!($name)).unwrap();
                return;
            }
            $play().await;
        }
    )*};
}

faults! {
    packets_are_dropped_for_a_moment: [LINK, FILTER] packets::are_dropped_for_a_moment;
    packets_are_dropped_until_it_is_noticed: [LINK, FILTER] packets::are_dropped_until_it_is_noticed;
    a_link_comes_up: [LINK] links::come_up;
    an_address_is_replaced: [LINK] links::change_their_address;
    names_are_denied: [LINK] names::are_denied;
    the_name_service_fails: [LINK] names::fail;
    the_name_service_is_silent: [LINK] names::get_no_answer;
    the_clock_jumps: [Need::Library(clock::LIBRARY)] clock::jumps;
    the_machine_boots_in_1970: [Need::Library(clock::LIBRARY)] dates::boots_in_1970;
    the_clock_of_1970_is_set_right: [Need::Library(clock::LIBRARY)] dates::are_set_right;
    the_clock_is_set_back_in_an_outage: [Need::Library(clock::LIBRARY)] dates::go_back_in_an_outage;
    the_clock_is_set_ahead_by_a_day: [Need::Library(clock::LIBRARY)] dates::go_ahead_by_a_day;
    the_machine_boots_in_1970_with_a_network_of_its_own: [Need::Library(clock::LIBRARY)] dates::with_a_network_of_its_own;
    the_process_is_suspended: [] suspend::and_resume;
    the_disk_is_full: [DISK] disk::is_full;
    the_disk_is_full_at_the_start: [DISK] disk::is_full_at_the_start;
    the_disk_is_read_only_at_the_start: [DISK] disk::is_read_only_at_the_start;
    the_disk_is_full_when_the_daemon_stops: [DISK] disk::is_full_when_it_stops;
    the_disk_takes_no_log: [] disk::takes_no_log;
    the_descriptors_are_used_up: [] descriptors::are_used_up;
    the_descriptors_are_used_up_when_the_connection_breaks: [] descriptors::are_used_up_when_the_connection_breaks;
    doctor_finds_a_family_that_does_not_answer: [LINK, FILTER] doctor::finds_a_silent_family;
    doctor_finds_a_clock_that_is_wrong: [Need::Library(clock::LIBRARY)] doctor::finds_a_wrong_clock;
    the_descriptors_are_few: [LIMIT] descriptors::are_few;
}
