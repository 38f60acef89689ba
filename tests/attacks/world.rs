//! The daemon as a process, and connections to it from any user.

use std::path::Path;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustix::fs::Uid;
use tokio::net::UnixStream;
use tokio::sync::Mutex;
use tonic::transport::{Channel, Endpoint};

use crate::process::Home;

/// How long anything may take on a busy machine.
pub const SOON: Duration = Duration::from_secs(30);

/// How long nothing may stand still for others.
pub const STANDSTILL: Duration = Duration::from_secs(2);

/// Users that no rule of these tests knows, or each its own.
pub const STRANGER: u32 = 65_534;
pub const APP: u32 = 60_001;
pub const OTHER_APP: u32 = 60_002;

/// Memory and standstills are measured, so one test of them runs at a time.
pub static ALONE: Mutex<()> = Mutex::const_new(());

/// Whether this process may connect as other users; says so where it may not.
pub fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("SKIPPED: only root can connect as other users");
    }
    root
}

/// A connection from a user. The kernel notes the user of the thread that connects.
pub async fn connect_as(socket: &Path, uid: u32) -> UnixStream {
    let socket = socket.to_owned();
    let connected = std::thread::spawn(move || {
        let uid = Uid::from_raw(uid);
        if uid != rustix::process::geteuid() {
            rustix::thread::set_thread_res_uid(None, uid, None).unwrap();
        }
        std::os::unix::net::UnixStream::connect(socket).unwrap()
    });
    let stream = tokio::task::spawn_blocking(|| connected.join().unwrap())
        .await
        .unwrap();
    stream.set_nonblocking(true).unwrap();
    UnixStream::from_std(stream).unwrap()
}

/// A gRPC channel on a connection of a user.
pub async fn channel_as(socket: &Path, uid: u32) -> Channel {
    let mut stream = Some(connect_as(socket, uid).await);
    Endpoint::from_static("http://localhost")
        .connect_with_connector(tower::service_fn(move |_| {
            let stream = stream.take();
            async move {
                stream
                    .map(TokioIo::new)
                    .ok_or_else(|| std::io::Error::other("this channel has one connection alone"))
            }
        }))
        .await
        .unwrap()
}

/// What of a process's memory is its own, in bytes.
pub fn private_memory(home: &Home, pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
    let status = status.unwrap_or_else(|_| panic!("{} has ended", home.socket().display()));
    let line = status.lines().find_map(|l| l.strip_prefix("RssAnon:"));
    let digits: String = line.unwrap().chars().filter(char::is_ascii_digit).collect();
    digits.parse::<usize>().unwrap() * 1024
}
