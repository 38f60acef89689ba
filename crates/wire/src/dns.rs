//! Host names, looked up in the same way for every connection to EXP.
//!
//! A name service that does not answer blocks the C library for longer than a connection may take,
//! and the failure would look like the server's. Here the look-up has a bound of its own, and its
//! own error.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Bound on a look-up. The C library repeats its query after 5 s, which often helps.
const TIMEOUT: Duration = Duration::from_secs(6);

/// Reason why a name has no addresses.
#[derive(Debug, thiserror::Error)]
pub enum NameError {
    /// The name service does not answer.
    #[error("the name service did not answer within {TIMEOUT:?}")]
    Timeout,
    /// The name service does not know the name, or fails.
    #[error(transparent)]
    Failed(#[from] io::Error),
}

/// The addresses of a host.
///
/// # Errors
/// There are none, or nobody says so in time. After a timeout the look-up goes on in a thread of
/// the runtime until the C library ends it.
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
