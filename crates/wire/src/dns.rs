//! DNS look-ups, the same for every connection to EXP.
//!
//! A DNS server that does not respond blocks the C library for longer than a connection may take,
//! and the failure would look like the EXP server's. So the look-up has its own timeout and its own
//! error.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Timeout of a look-up. The C library repeats its query after 5 s, which often succeeds.
const TIMEOUT: Duration = Duration::from_secs(6);

/// Reason why a name has no addresses.
#[derive(Debug, thiserror::Error)]
pub enum NameError {
    /// The DNS server does not respond.
    #[error("the DNS server did not answer within {TIMEOUT:?}")]
    Timeout,
    /// The DNS server does not know the name, or fails.
    #[error(transparent)]
    Failed(#[from] io::Error),
}

/// Looks up the addresses of a host.
///
/// # Errors
/// There are none, or no response in time. After a timeout the look-up continues in a thread of the
/// runtime until the C library ends it.
pub async fn look_up(host: &str, port: u16) -> Result<Vec<SocketAddr>, NameError> {
    let found = tokio::time::timeout(TIMEOUT, tokio::net::lookup_host((host, port)))
        .await
        .map_err(|_| NameError::Timeout)??;
    Ok(found.collect())
}

/// The resolver for the HTTP library.
#[derive(Debug)]
pub struct Resolver;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // The library fills in the port.
            let found = look_up(name.as_str(), 0).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
