//! Probes of a socket file: a process listens on it, or it was left behind.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::folder::{self, Folder};
use crate::access::Peer;

/// Result of connecting to a socket file.
#[derive(Clone, Copy, Debug)]
pub(super) enum SocketProbe {
    /// No process listens: the file was left behind.
    Stale,
    /// A process listens; its identity, if the kernel provides it.
    Live(Option<Peer>),
}

/// Probes the file that has this name now.
pub(super) fn probe_name(folder: &Folder, name: &OsStr) -> io::Result<SocketProbe> {
    probe(&folder.pin(name)?)
}

/// Connects to the socket of a pinned file, even if another file has its name by then.
pub(super) fn probe(file: &OwnedFd) -> io::Result<SocketProbe> {
    let address = SocketAddrUnix::new(folder::proc_path(file))?;
    let socket = new_socket()?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) => {
            let peer = rustix::net::sockopt::socket_peercred(&socket).ok();
            Ok(SocketProbe::Live(peer.map(|peer| Peer {
                pid: peer.pid.as_raw_nonzero().get(),
                uid: peer.uid.as_raw(),
                gid: peer.gid.as_raw(),
            })))
        }
        // A full backlog, or another type of socket: a process listens.
        Err(Errno::AGAIN | Errno::PROTOTYPE) => Ok(SocketProbe::Live(None)),
        Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(SocketProbe::Stale),
        Err(error) => Err(error.into()),
    }
}

/// A new Unix socket, non-blocking and closed on exec.
pub(super) fn new_socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        flags,
        None,
    )?)
}
