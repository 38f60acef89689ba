//! A process between the network and a socket that only forwards bytes: the cost of any process in
//! between.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// Prints its port, and forwards for the first client.
pub fn run(port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    println!("{}", listener.local_addr().unwrap().port());
    let (here, _) = listener.accept().unwrap();
    let there = TcpStream::connect(("127.0.0.1", port)).unwrap();
    for stream in [&here, &there] {
        stream.set_nodelay(true).unwrap();
    }
    thread::scope(|scope| {
        scope.spawn(|| hand_on(&here, &there));
        hand_on(&there, &here);
    });
}

fn hand_on(mut from: &TcpStream, mut to: &TcpStream) {
    let mut bytes = vec![0; 64 * 1024];
    // Until either side is gone, as at the end of every run.
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if to.write_all(&bytes[..count]).is_err() {
            return;
        }
    }
}
