//! The daemon's address: a Unix socket, or loopback TCP.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Prefix of an address that is not a path.
const SCHEME: &str = "http://";

/// The daemon's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// The path of a Unix socket.
    Unix(PathBuf),
    /// A loopback TCP address, written as `http://127.0.0.1:9100`.
    Tcp(SocketAddr),
}

impl Address {
    /// Parses an address that is given in place of a path.
    pub(crate) fn of(path: &Path) -> Result<Self, NotLoopback> {
        let Some(address) = path.to_str().and_then(|text| text.strip_prefix(SCHEME)) else {
            return Ok(Self::Unix(path.to_owned()));
        };
        let address = address.trim_end_matches('/');
        let address = match address.strip_prefix("localhost:") {
            Some(port) => format!("127.0.0.1:{port}"),
            None => address.to_owned(),
        };
        let parsed = address.parse::<SocketAddr>().ok();
        let loopback = parsed.filter(|address| address.ip().is_loopback());
        loopback.map(Self::Tcp).ok_or_else(|| NotLoopback {
            address: path.to_owned(),
        })
    }
}

/// Address of another machine, or not an address.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} is not a loopback address, and the token is sent to no other; write it as in http://127.0.0.1:9100",
    address.display()
)]
pub(crate) struct NotLoopback {
    address: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loopback_address_stands_in_place_of_a_path() {
        for (text, address) in [
            ("http://127.0.0.1:9100", "127.0.0.1:9100"),
            ("http://localhost:9100/", "127.0.0.1:9100"),
            ("http://[::1]:9100", "[::1]:9100"),
        ] {
            let read = Address::of(Path::new(text)).unwrap();
            assert_eq!(read, Address::Tcp(address.parse().unwrap()));
        }
        let path = Path::new("/run/expd/expd.sock");
        assert_eq!(Address::of(path).unwrap(), Address::Unix(path.to_owned()));
        for elsewhere in ["http://10.0.0.1:9100", "http://exp.example:1", "http://"] {
            let refused = Address::of(Path::new(elsewhere)).unwrap_err().to_string();
            assert!(refused.contains("not a loopback address"), "{refused}");
        }
    }
}
