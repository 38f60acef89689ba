//! Trust: the certificate authorities that encrypted connections accept, and the one connector of all that accept the same.
//!
//! Every new connector reads the system's authorities again, which takes 0.9 MB and 10 ms of a fast processor. Sessions, calls
//! and sockets therefore share them for the life of the process, and none is made before the first request that needs it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use native_tls::{Certificate, Protocol, TlsConnector};

use super::trouble::Way;

/// What a file of authorities held, and the connector. There are as many as the settings name files, and two.
type Connectors = BTreeMap<Trusted, (Vec<u8>, TlsConnector)>;

static CONNECTORS: Mutex<Connectors> = Mutex::new(BTreeMap::new());

/// Whose certificates are accepted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trusted {
    Nobodys,
    TheSystems,
    TheSystemsAndThoseOf(PathBuf),
}

/// The system's certificate authorities and those of a file.
#[derive(Clone)]
pub struct Trust {
    trusted: Trusted,
    /// What the file held when it was read.
    pem: Vec<u8>,
    authorities: Vec<Certificate>,
}

impl Trust {
    /// Reads `ca_file`.
    ///
    /// # Errors
    /// What is wrong with the file, and what to do.
    pub fn read(ca_file: Option<&Path>) -> Result<Self, String> {
        let pem = ca_file.map(std::fs::read).transpose();
        Self::of(ca_file, pem)
    }

    /// As [`Self::read`], without holding others up.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn read_later(ca_file: Option<&Path>) -> Result<Self, String> {
        let pem = match ca_file {
            Some(path) => tokio::fs::read(path).await.map(Some),
            None => Ok(None),
        };
        Self::of(ca_file, pem)
    }

    fn of(file: Option<&Path>, pem: std::io::Result<Option<Vec<u8>>>) -> Result<Self, String> {
        let file = file.unwrap_or(Path::new(""));
        let shown = file.display();
        let pem = pem.map_err(|error| format!("cannot read ca_file {shown}: {error}"))?;
        let Some(pem) = pem else {
            return Ok(Self::without_file(Trusted::TheSystems));
        };
        let none = |why: &str| {
            format!("ca_file {shown} holds no PEM certificates{why}; name a file that does")
        };
        let authorities =
            Certificate::stack_from_pem(&pem).map_err(|error| none(&format!(" ({error})")))?;
        if authorities.is_empty() {
            return Err(none(""));
        }
        Ok(Self {
            trusted: Trusted::TheSystemsAndThoseOf(file.to_owned()),
            pem,
            authorities,
        })
    }

    fn without_file(trusted: Trusted) -> Self {
        Self {
            trusted,
            pem: Vec::new(),
            authorities: Vec::new(),
        }
    }

    /// What an HTTP client gets, which wants a connector whether it will use it or not: on a way without TLS one that trusts
    /// nobody, so that the system's authorities are not read.
    ///
    /// # Errors
    /// As [`Self::connector`].
    pub fn connector_for(&self, way: &Way) -> Result<TlsConnector, String> {
        if way.encrypted() {
            self.connector()
        } else {
            Self::without_file(Trusted::Nobodys).connector()
        }
    }

    /// What opens encrypted connections: the one that is there already, unless the file has changed since.
    ///
    /// # Errors
    /// When OpenSSL cannot be set up.
    pub fn connector(&self) -> Result<TlsConnector, String> {
        // Whoever waits here while another makes one would else make one itself.
        let mut made = CONNECTORS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((pem, connector)) = made.get(&self.trusted)
            && *pem == self.pem
        {
            return Ok(connector.clone());
        }
        let mut builder = TlsConnector::builder();
        builder.min_protocol_version(Some(Protocol::Tlsv12));
        builder.disable_built_in_roots(self.trusted == Trusted::Nobodys);
        for authority in &self.authorities {
            builder.add_root_certificate(authority.clone());
        }
        let connector = builder
            .build()
            .map_err(|error| format!("TLS could not be set up: {error}"))?;
        made.insert(self.trusted.clone(), (self.pem.clone(), connector.clone()));
        Ok(connector)
    }
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trust")
            .field("trusted", &self.trusted)
            .finish_non_exhaustive()
    }
}
