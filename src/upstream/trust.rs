//! Trust: the certificate authorities that encrypted connections accept, and the one connector of all that accept the same.
//!
//! Every new connector reads the system's authorities again, which takes 0.9 MB and 10 ms of a fast processor. Sessions, calls
//! and sockets therefore share them for the life of the process, and none is made before the first request.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use native_tls::{Certificate, Protocol, TlsConnector};

/// A file of authorities and what it held. There are as many as the settings name.
type Connectors = BTreeMap<Option<PathBuf>, (Vec<u8>, TlsConnector)>;

static CONNECTORS: Mutex<Connectors> = Mutex::new(BTreeMap::new());

/// The system's certificate authorities and those of a file.
#[derive(Clone)]
pub struct Trust {
    file: Option<PathBuf>,
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
        let shown = file.unwrap_or(Path::new("")).display();
        let pem = pem.map_err(|error| format!("cannot read ca_file {shown}: {error}"))?;
        let Some(pem) = pem else {
            return Ok(Self {
                file: None,
                pem: Vec::new(),
                authorities: Vec::new(),
            });
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
            file: file.map(Path::to_owned),
            pem,
            authorities,
        })
    }

    /// What opens encrypted connections: the one that is there already, unless the file has changed since.
    ///
    /// # Errors
    /// When OpenSSL cannot be set up.
    pub fn connector(&self) -> Result<TlsConnector, String> {
        // Whoever waits here while another makes one would else make one itself.
        let mut made = CONNECTORS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((pem, connector)) = made.get(&self.file)
            && *pem == self.pem
        {
            return Ok(connector.clone());
        }
        let mut builder = TlsConnector::builder();
        builder.min_protocol_version(Some(Protocol::Tlsv12));
        for authority in &self.authorities {
            builder.add_root_certificate(authority.clone());
        }
        let connector = builder
            .build()
            .map_err(|error| format!("TLS could not be set up: {error}"))?;
        made.insert(self.file.clone(), (self.pem.clone(), connector.clone()));
        Ok(connector)
    }
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trust")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}
