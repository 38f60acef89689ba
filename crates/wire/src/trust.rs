//! Certificate authorities that TLS connections trust, and one shared TLS configuration for each
//! set of them.
//!
//! Sessions, calls and sockets share these configurations for the life of the process, and with
//! them the system's authorities and the TLS session tickets. TLS is rustls: 1.2 and 1.3, with
//! modern cipher suites only.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

mod refusal;
mod verifier;

use super::error::ConnectError;
pub use refusal::{remedy, tls_error};
use verifier::Verifier;

/// Configurations by CA file, with the file's contents. The settings bound their number.
type Connectors = BTreeMap<Option<PathBuf>, (Vec<u8>, Arc<ClientConfig>)>;

static CONNECTORS: Mutex<Connectors> = Mutex::new(BTreeMap::new());

/// The system's certificate authorities and those of a CA file.
#[derive(Clone)]
pub struct Trust {
    file: Option<PathBuf>,
    /// Contents of the file when it was read.
    pem: Vec<u8>,
    authorities: Vec<CertificateDer<'static>>,
}

impl Trust {
    /// Reads `ca_file`.
    ///
    /// # Errors
    /// The file cannot be read, or contains no certificates.
    pub fn read(ca_file: Option<&Path>) -> Result<Self, ConnectError> {
        let pem = ca_file.map(std::fs::read).transpose();
        Self::parse(ca_file, pem)
    }

    /// As [`Self::read`], without blocking the runtime.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(crate) async fn read_async(ca_file: Option<&Path>) -> Result<Self, ConnectError> {
        let pem = match ca_file {
            Some(path) => tokio::fs::read(path).await.map(Some),
            None => Ok(None),
        };
        Self::parse(ca_file, pem)
    }

    fn parse(
        file: Option<&Path>,
        pem: std::io::Result<Option<Vec<u8>>>,
    ) -> Result<Self, ConnectError> {
        let path = || file.map(Path::to_owned).unwrap_or_default();
        let pem = pem.map_err(|source| ConnectError::CaFile {
            path: path(),
            source,
        })?;
        let Some(pem) = pem else {
            return Ok(Self {
                file: None,
                pem: Vec::new(),
                authorities: Vec::new(),
            });
        };
        let none = |detail: String| ConnectError::NoCertificates {
            path: path(),
            detail,
        };
        let authorities = CertificateDer::pem_slice_iter(&pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| none(format!(" ({error})")))?;
        for authority in &authorities {
            let tried = RootCertStore::empty().add(authority.clone());
            tried.map_err(|error| none(format!(" that can be read ({error})")))?;
        }
        if authorities.is_empty() {
            return Err(none(String::new()));
        }
        Ok(Self {
            file: file.map(Path::to_owned),
            pem,
            authorities,
        })
    }

    /// The shared TLS configuration; a new one if the file has changed.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn connector(&self) -> Result<Arc<ClientConfig>, ConnectError> {
        // The lock is held while a configuration is built: other threads would build the same.
        let mut made = CONNECTORS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((pem, connector)) = made.get(&self.file)
            && *pem == self.pem
        {
            return Ok(Arc::clone(connector));
        }
        let verifier = Verifier::new(self.authorities.clone());
        let connector = ClientConfig::builder_with_provider(verifier.provider())
            .with_safe_default_protocol_versions()
            .map_err(cannot)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        let connector = Arc::new(connector);
        made.insert(
            self.file.clone(),
            (self.pem.clone(), Arc::clone(&connector)),
        );
        Ok(connector)
    }

    #[cfg(feature = "rust-socketio")]
    /// A TLS configuration for the Socket.IO library, which accepts OpenSSL's alone. It reads the
    /// system's authorities each time.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub(crate) fn library_connector(&self) -> Result<native_tls::TlsConnector, ConnectError> {
        let mut builder = native_tls::TlsConnector::builder();
        builder.min_protocol_version(Some(native_tls::Protocol::Tlsv12));
        for authority in &self.authorities {
            let authority = native_tls::Certificate::from_der(authority).map_err(cannot)?;
            builder.add_root_certificate(authority);
        }
        builder.build().map_err(cannot)
    }
}

fn cannot(error: impl std::fmt::Display) -> ConnectError {
    ConnectError::TlsSetup(error.to_string())
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trust")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}
