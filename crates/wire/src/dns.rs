//! Host names, looked up in the same way for every connection to EXP.
//!
//! A name service that says nothing keeps the C library waiting for longer than a connection may take to come about, and the
//! failure would be told as the server's. Here it is bounded, and told as what it is.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// How long the name service has. The C library asks a second time after 5 s, which is often enough for an answer.
const TIMEOUT: Duration = Duration::from_secs(6);

/// Why a name has no addresses.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NameError {
    /// The name service says nothing.
    #[error("the name service did not answer within {TIMEOUT:?}")]
    Timeout,
    /// It does not know the name, or is in trouble.
    #[error(transparent)]
    Failed(#[from] io::Error),
}

/// The addresses of a host. What is given up here goes on in a thread of the runtime's, which the C library ends.
pub(crate) async fn look_up(host: &str, port: u16) -> Result<Vec<SocketAddr>, NameError> {
    let found = tokio::time::timeout(TIMEOUT, tokio::net::lookup_host((host, port)))
        .await
        .map_err(|_| NameError::Timeout)??;
    Ok(found.collect())
}

/// The same for the HTTP library.
#[derive(Debug)]
pub struct Resolver;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // The library puts the port in.
            let found = look_up(name.as_str(), 0).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
