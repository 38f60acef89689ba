//! A network namespace of the test's own, with one wire to this host.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;

use crate::machine::run;

/// Namespaces of one test process.
const MOST: u32 = 8;

pub struct Namespace {
    name: String,
    /// The wire's end on this host.
    wire: String,
    /// This host's address on the wire.
    pub host: Ipv4Addr,
    /// The address of the namespace's own end.
    there: Ipv4Addr,
}

impl Namespace {
    /// Its number is one that no other namespace of this process has.
    pub fn new(number: u32) -> Self {
        assert!(number < MOST);
        let process = std::process::id();
        // 198.18.0.0/15 is for tests; each wire has four addresses of it.
        let first =
            u32::from(Ipv4Addr::new(198, 18, 0, 0)) + (process * MOST + number) % 16_384 * 4;
        let namespace = Self {
            name: format!("expd-{process}-{number}"),
            wire: format!("expd{process}-{number}"),
            host: Ipv4Addr::from(first + 1),
            there: Ipv4Addr::from(first + 2),
        };
        let (name, wire) = (namespace.name.as_str(), namespace.wire.as_str());
        let with_mask = |address: u32| format!("{}/30", Ipv4Addr::from(address));
        let (here, there) = (with_mask(first + 1), with_mask(first + 2));
        run("ip", &["netns", "add", name]);
        let peer = [
            "link", "add", wire, "type", "veth", "peer", "name", "wire", "netns", name,
        ];
        run("ip", &peer);
        run("ip", &["addr", "add", &here, "dev", wire]);
        run("ip", &["link", "set", wire, "up"]);
        run("ip", &["-n", name, "addr", "add", &there, "dev", "wire"]);
        run("ip", &["-n", name, "link", "set", "wire", "up"]);
        run("ip", &["-n", name, "link", "set", "lo", "up"]);
        namespace
    }

    /// Prefix of a command that is to run in this namespace.
    pub fn enter(&self) -> [&str; 4] {
        ["ip", "netns", "exec", &self.name]
    }

    /// No TCP packet leaves any more, until [`Namespace::pass`].
    pub fn drop_packets(&self) {
        self.iptables(&["-A", "OUTPUT", "-p", "tcp", "-j", "DROP"]);
    }

    pub fn pass(&self) {
        self.iptables(&["-F", "OUTPUT"]);
    }

    /// Brings its end of the wire up, or down.
    pub fn link(&self, up: bool) {
        let state = if up { "up" } else { "down" };
        run("ip", &["-n", &self.name, "link", "set", "wire", state]);
    }

    /// Replaces its address on the wire by another one, as a host does that moves from one network
    /// to another: the new one is there before the old one goes.
    pub fn change_address(&self) {
        let (ours, old) = (self.host.to_string(), self.there.to_string());
        // The upper half of 198.18.0.0/15, of which no namespace has any.
        let new = Ipv4Addr::from(u32::from(self.there) ^ 0x1_0000).to_string();
        run("ip", &["route", "add", &new, "dev", &self.wire]);
        let within = |arguments: &[&str]| run("ip", &[&["-n", &self.name], arguments].concat());
        within(&["addr", "add", &format!("{new}/32"), "dev", "wire"]);
        within(&["addr", "del", &format!("{old}/30"), "dev", "wire"]);
        within(&["route", "add", &ours, "dev", "wire", "src", &new]);
    }

    /// Gives it an IPv6 address on the wire, at whose other end nobody has one.
    pub fn add_silent_ipv6(&self, address: &str) {
        let within = ["-n", &self.name, "-6", "addr", "add", address];
        run("ip", &[&within[..], &["dev", "wire", "nodad"]].concat());
    }

    fn iptables(&self, arguments: &[&str]) {
        let [ip, rest @ ..] = self.enter();
        run(ip, &[&rest[..], &["iptables", "-w"], arguments].concat());
    }

    /// Folder of the files that those within see in place of the ones in `/etc`.
    pub fn etc(&self) -> PathBuf {
        PathBuf::from("/etc/netns").join(&self.name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // As much as can be; the wire goes with either of its ends.
        for arguments in [["link", "del", &self.wire], ["netns", "del", &self.name]] {
            Command::new("ip").args(arguments).output().ok();
        }
        std::fs::remove_dir_all(self.etc()).ok();
    }
}
