//! The instances of one daemon, each with its own way to the same network and its own faults on it:
//! both generations of the wire, both transports, and TLS.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::SystemTime;

use expd::config::{ProtocolChoice, Settings, TransportChoice};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::server::TlsStream;

use super::dice::Dice;
use crate::proxy::{Mode, Proxy};
use expd_test_support::certificates::Authority;
use expd_test_support::daemon::instance;
use expd_test_support::judge::Trouble;

/// Every instance: its name, generation and transport. On the way of the calm one nothing happens,
/// so that it has no excuse but restarts.
const MEMBERS: [(&str, ProtocolChoice, TransportChoice); 6] = [
    (CALM, ProtocolChoice::Auto, TransportChoice::Auto),
    ("default", ProtocolChoice::V4, TransportChoice::Websocket),
    ("three", ProtocolChoice::V3, TransportChoice::Websocket),
    ("polling", ProtocolChoice::V4, TransportChoice::Polling),
    (
        "polling-three",
        ProtocolChoice::V3,
        TransportChoice::Polling,
    ),
    ("tls", ProtocolChoice::Auto, TransportChoice::Auto),
];

const CALM: &str = "calm";

/// Faults that can strike on the way to the network.
const FAULTS: [Mode; 21] = [
    Mode::Reset,
    Mode::Refuse,
    Mode::Stall,
    // Often, since it is what a change of the token has to bear.
    Mode::StallOpen,
    Mode::StallOpen,
    Mode::StallOpen,
    Mode::StallOpen,
    Mode::Slow(1000),
    Mode::Slow(4000),
    Mode::Cut,
    Mode::End,
    Mode::EndGreeted,
    Mode::Garbage,
    Mode::Oversized,
    Mode::Http(500, 0),
    Mode::Http(502, 0),
    Mode::Http(503, 1),
    Mode::Http(429, 2),
    Mode::Unauthorized,
    Mode::Late(1500),
    Mode::Silence,
];

pub struct Member {
    /// Nothing but restarts happens to it.
    pub calm: bool,
    /// Harms bytes; on the instance with TLS, they are TLS's.
    outer: Proxy,
    /// Answers requests wrongly; behind the end of TLS.
    inner: Option<Proxy>,
    pub troubles: Vec<Trouble>,
    /// The place among its troubles of the fault that goes on.
    fault: Option<usize>,
}

pub struct Fleet {
    pub members: Vec<Member>,
    authority: Authority,
    _tls: JoinSet<()>,
}

impl Fleet {
    pub fn devices() -> Vec<&'static str> {
        MEMBERS.iter().map(|(name, ..)| *name).collect()
    }

    pub async fn start(network: SocketAddr) -> Self {
        let authority = Authority::new();
        let mut tls = JoinSet::new();
        let mut members = Vec::new();
        for (name, ..) in MEMBERS {
            let proxy = Proxy::start(network).await;
            let (outer, inner) = if name == "tls" {
                let end = end_of_tls(&authority, proxy.address, &mut tls).await;
                (Proxy::start(end).await, Some(proxy))
            } else {
                (proxy, None)
            };
            members.push(Member {
                calm: name == CALM,
                outer,
                inner,
                troubles: Vec::new(),
                fault: None,
            });
        }
        Self {
            members,
            authority,
            _tls: tls,
        }
    }

    /// Sets up the daemon's instances.
    pub fn settle(&self, settings: &mut Settings) {
        settings.instances.clear();
        for (member, (name, protocol, transport)) in self.members.iter().zip(MEMBERS) {
            let address = member.outer.address;
            let scheme = if member.inner.is_some() {
                "https"
            } else {
                "http"
            };
            let mut one = instance(name, &format!("{scheme}://{address}"));
            one.ca_file = member.inner.as_ref().map(|_| self.authority.file());
            (one.protocol, one.transport) = (protocol, transport);
            settings.instances.insert(name.to_owned(), one);
        }
    }

    /// A trouble of all of them.
    pub fn all_in_trouble(&mut self, trouble: Trouble) {
        for member in &mut self.members {
            member.troubles.push(trouble);
        }
    }
}

impl Member {
    /// Something goes wrong, and so does until [`Member::heal`].
    pub fn harm(&mut self, dice: &mut Dice) -> Option<Mode> {
        let fault = FAULTS[dice.below(FAULTS.len())];
        // Silence takes half a minute to be found, so it is rare.
        if self.calm || self.fault.is_some() || (fault == Mode::Silence && !dice.one_in(3)) {
            return None;
        }
        let place = match (&self.inner, fault) {
            (Some(inner), Mode::Http(..) | Mode::Unauthorized) => inner,
            _ => &self.outer,
        };
        place.set(fault);
        self.fault = Some(self.troubles.len());
        let now = SystemTime::now();
        self.troubles.push(Trouble { from: now, to: now });
        Some(fault)
    }

    /// All is well again on the way.
    pub fn heal(&mut self) {
        if let Some(trouble) = self.fault.take() {
            self.outer.set(Mode::Pass);
            if let Some(inner) = &self.inner {
                inner.set(Mode::Pass);
            }
            self.troubles[trouble].to = SystemTime::now();
        }
    }
}

/// A server that ends TLS and hands on.
async fn end_of_tls(
    authority: &Authority,
    upstream: SocketAddr,
    tasks: &mut JoinSet<()>,
) -> SocketAddr {
    let acceptor = authority.sign("127.0.0.1", false);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((client, _)) = listener.accept().await {
            while connections.try_join_next().is_some() {}
            let acceptor = acceptor.clone();
            connections.spawn(async move {
                // Whatever breaks here was broken on purpose.
                if let Ok(client) = acceptor.accept(client).await
                    && let Ok(server) = TcpStream::connect(upstream).await
                {
                    hand_on(client, server).await.ok();
                }
            });
        }
    });
    address
}

async fn hand_on(client: TlsStream<TcpStream>, server: TcpStream) -> io::Result<()> {
    let (mut from_client, mut to_client) = split(client);
    let (mut from_server, mut to_server) = server.into_split();
    let down = async {
        let mut read = vec![0; 64 * 1024];
        loop {
            let n = from_server.read(&mut read).await?;
            if n == 0 {
                return to_client.shutdown().await;
            }
            let said = https(&read[..n]).unwrap_or_else(|| read[..n].to_vec());
            to_client.write_all(&said).await?;
        }
    };
    // Where one direction is over, so is the other: nothing here is half open on purpose.
    tokio::select! {
        copied = copy(&mut from_client, &mut to_server) => copied.map(drop),
        done = down => done,
    }
}

/// The network does not know of the TLS before it: in what it answers to a login, its own address
/// is put right.
fn https(answer: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(answer).ok()?;
    let plain = r#""host":"http://"#;
    if !text.contains(plain) {
        return None;
    }
    let (head, body) = text.split_once("\r\n\r\n")?;
    let body = body.replace(plain, r#""host":"https://"#);
    let lines = head.split("\r\n").map(|line| {
        if line.to_ascii_lowercase().starts_with("content-length:") {
            format!("content-length: {}", body.len())
        } else {
            line.to_owned()
        }
    });
    let head: Vec<String> = lines.collect();
    Some(format!("{}\r\n\r\n{body}", head.join("\r\n")).into_bytes())
}
