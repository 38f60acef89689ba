//! A TCP proxy that breaks what it carries, in ways that can be switched while it runs.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use expd_test_support::ports;

/// Effect of the proxy on connections, both open and new ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Carries.
    Pass,
    /// Nobody listens; open connections are reset.
    Refuse,
    /// Every connection is reset, new ones right after they are accepted.
    Reset,
    /// Takes everything and hands on nothing. A connection that has come to this stays so.
    Silence,
    /// Takes nothing and hands on nothing; goes on later where it stopped.
    Stall,
    /// The same, on live sockets that are open; new ones pass, and so do calls, as far as they can
    /// be told apart.
    StallOpen,
    /// So many bytes a second in each direction.
    Slow(usize),
    /// Hands on half of what comes next from the server, and ends.
    Cut,
    /// Ends every connection at once, between two messages and without a word; new ones are
    /// accepted and ended, too.
    End,
    /// Ends open connections, and new ones once the client has answered the server's first words:
    /// within TLS, right after the handshake.
    EndGreeted,
    /// Says something else between what the server says.
    Garbage,
    /// Announces a WebSocket frame of a terabyte.
    Oversized,
    /// Answers every request with this status, and `Retry-After` where it is not 0; open
    /// connections are reset.
    Http(u16, u64),
    /// Answers 401 to every request but logins, on open connections, too; what was upgraded before
    /// passes.
    Unauthorized,
    /// Lets new connections wait for so many milliseconds; open ones pass.
    Late(u64),
}

pub struct Proxy {
    pub address: SocketAddr,
    mode: watch::Sender<Mode>,
    _task: JoinSet<()>,
}

impl Proxy {
    pub async fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mode = watch::Sender::new(Mode::Pass);
        let mut task = JoinSet::new();
        task.spawn(accept(listener, upstream, mode.subscribe()));
        Self {
            address,
            mode,
            _task: task,
        }
    }

    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

async fn accept(listener: TcpListener, upstream: SocketAddr, mut mode: watch::Receiver<Mode>) {
    let address = listener.local_addr().unwrap();
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    loop {
        if *mode.borrow_and_update() == Mode::Refuse {
            listener = None;
            if mode.changed().await.is_err() {
                return;
            }
            continue;
        }
        if listener.is_none() {
            listener = Some(ports::listen(address).await);
        }
        tokio::select! {
            accepted = listener.as_ref().unwrap().accept() => {
                let (client, _) = accepted.unwrap();
                client.set_nodelay(true).unwrap();
                connections.spawn(carry(client, upstream, mode.clone()));
            }
            changed = mode.changed() => if changed.is_err() { return },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn carry(mut client: TcpStream, upstream: SocketAddr, mut mode: watch::Receiver<Mode>) {
    let begun_in = *mode.borrow();
    match begun_in {
        Mode::Http(status, retry_after) => return answer(client, status, retry_after).await,
        Mode::Late(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
        _ => {}
    }
    let Ok(mut server) = TcpStream::connect(upstream).await else {
        return reset(&client);
    };
    server.set_nodelay(true).unwrap();
    let mut up = vec![0; 16 * 1024];
    let mut down = vec![0; 16 * 1024];
    let mut dead = false;
    let mut said = false;
    let mut greeted = false;
    // Whether it carries calls, and no socket.
    let mut calls = false;
    loop {
        let now = if dead {
            Mode::Silence
        } else {
            *mode.borrow_and_update()
        };
        let (most, pause) = match now {
            Mode::Slow(rate) => ((rate / 10).max(1), Duration::from_millis(100)),
            _ => (16 * 1024, Duration::ZERO),
        };
        match now {
            Mode::Refuse | Mode::Reset | Mode::Http(..) => return reset(&client),
            Mode::End => return,
            Mode::EndGreeted if begun_in != Mode::EndGreeted => return,
            Mode::StallOpen if begun_in == Mode::StallOpen || calls => {}
            Mode::Stall | Mode::StallOpen => {
                if mode.changed().await.is_err() {
                    return;
                }
                continue;
            }
            Mode::Silence => dead = true,
            Mode::Garbage | Mode::Oversized if !said => {
                said = true;
                let words: Vec<u8> = if now == Mode::Garbage {
                    std::iter::repeat_with(rand::random).take(64).collect()
                } else {
                    let length = (1_u64 << 40).to_be_bytes();
                    [&[0x81, 0x7f][..], &length].concat()
                };
                if client.write_all(&words).await.is_err() {
                    return;
                }
            }
            _ => {}
        }
        tokio::select! {
            changed = mode.changed() => if changed.is_err() { return },
            read = client.read(&mut up[..most]) => match read {
                Ok(0) | Err(_) => return,
                Ok(_) if dead => {}
                Ok(_) if now == Mode::EndGreeted && greeted => return,
                Ok(n) if now == Mode::Unauthorized && is_refused(&up[..n]) => {
                    client.write_all(said_of(401, 0).as_bytes()).await.ok();
                    return;
                }
                Ok(n) => {
                    let call = up[..n].starts_with(b"POST /api/") || up[..n].starts_with(b"GET /api/");
                    calls |= call;
                    if server.write_all(&up[..n]).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(pause).await;
                }
            },
            read = server.read(&mut down[..most]) => match read {
                Ok(0) | Err(_) if dead => {
                    // The client shall not hear of it.
                    while !matches!(client.read(&mut up).await, Ok(0) | Err(_)) {}
                    return;
                }
                Ok(0) | Err(_) => return,
                Ok(_) if dead => {}
                Ok(n) if now == Mode::Cut => {
                    client.write_all(&down[..n / 2]).await.ok();
                    return;
                }
                Ok(n) => {
                    greeted = true;
                    if client.write_all(&down[..n]).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(pause).await;
                }
            },
        }
    }
}

fn reset(client: &TcpStream) {
    rustix::net::sockopt::set_socket_linger(client, Some(Duration::ZERO)).unwrap();
}

async fn answer(mut client: TcpStream, status: u16, retry_after: u64) {
    let mut head = Vec::new();
    let mut read = [0; 4096];
    while !head.windows(4).any(|w| w == b"\r\n\r\n") {
        match client.read(&mut read).await {
            Ok(0) | Err(_) => return,
            Ok(n) => head.extend_from_slice(&read[..n]),
        }
    }
    let text = said_of(status, retry_after);
    if client.write_all(text.as_bytes()).await.is_ok() {
        client.shutdown().await.ok();
        // Closing before all was read would reset the connection, and the answer with it.
        while !matches!(client.read(&mut read).await, Ok(0) | Err(_)) {}
    }
}

fn said_of(status: u16, retry_after: u64) -> String {
    let retry_after = if retry_after > 0 {
        format!("Retry-After: {retry_after}\r\n")
    } else {
        String::new()
    };
    let body = r#"{"code":"proxy.fault","message":"the fault proxy says so"}"#;
    format!(
        "HTTP/1.1 {status} Fault\r\n{retry_after}Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Returns true if a request other than a login begins here.
fn is_refused(read: &[u8]) -> bool {
    let begins = |word: &str| read.starts_with(word.as_bytes());
    (begins("GET /") || begins("POST /")) && !begins("POST /api/auth/login")
}
