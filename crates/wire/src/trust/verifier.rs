//! Verification of server certificates.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::client::verify_server_name;
use tokio_rustls::rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};

/// Trusts the system's authorities and extra ones. Verification is rustls's except in two cases: an
/// authority that was installed after the system's were read, and a server certificate that is
/// itself one of the extra ones.
#[derive(Debug)]
pub(super) struct Verifier {
    provider: Arc<CryptoProvider>,
    extra: Vec<CertificateDer<'static>>,
    /// Built on the first handshake: without TLS the system's authorities, 0.2 MB, are never read.
    delegate: Mutex<Option<Arc<WebPkiServerVerifier>>>,
}

impl Verifier {
    pub fn new(extra: Vec<CertificateDer<'static>>) -> Self {
        Self {
            provider: Arc::new(ring::default_provider()),
            extra,
            delegate: Mutex::default(),
        }
    }

    pub fn provider(&self) -> Arc<CryptoProvider> {
        Arc::clone(&self.provider)
    }

    fn algorithms(&self) -> &WebPkiSupportedAlgorithms {
        &self.provider.signature_verification_algorithms
    }

    /// Builds a verifier with the system's current authorities.
    fn new_delegate(&self) -> Result<Arc<WebPkiServerVerifier>, Error> {
        let mut roots = RootCertStore::empty();
        let system = rustls_native_certs::load_native_certs();
        for error in system.errors {
            log::debug!("some of the system's certificate authorities cannot be read: {error}");
        }
        roots.add_parsable_certificates(system.certs);
        roots.add_parsable_certificates(self.extra.iter().cloned());
        if roots.is_empty() {
            return Err(Error::General(
                "no certificate authorities are installed (on Debian: the package ca-certificates)"
                    .to_owned(),
            ));
        }
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), self.provider())
            .build()
            .map_err(|error| Error::General(error.to_string()))
    }

    /// Asks the current verifier, and a new one if it does not know the issuer.
    fn with_delegate(
        &self,
        verdict: impl Fn(&WebPkiServerVerifier) -> Result<ServerCertVerified, Error>,
    ) -> Result<ServerCertVerified, Error> {
        let slot = || self.delegate.lock().unwrap_or_else(PoisonError::into_inner);
        let delegate = slot().clone();
        if let Some(delegate) = delegate {
            let said = verdict(&delegate);
            // Machines run for months, and authorities are added and removed.
            if !matches!(&said, Err(error) if is_unknown_issuer(error)) {
                return said;
            }
        }
        let delegate = self.new_delegate()?;
        *slot() = Some(Arc::clone(&delegate));
        verdict(&delegate)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let said = self.with_delegate(|delegate| {
            delegate.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        });
        match said {
            // `openssl req -x509` makes a self-signed certificate that serves as both authority and
            // server. If it is configured as trusted, only the name is left to verify: the validity
            // period was checked before this error.
            Err(error) if is_authority(&error) && self.extra.contains(end_entity) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            said => said,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, self.algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, self.algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms().supported_schemes()
    }
}

/// True if no trusted CA signed the certificate: unknown issuer, or a re-created CA with the same
/// name and another key.
pub(super) fn is_unknown_issuer(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature)
    )
}

/// True if the server's certificate is a CA certificate.
pub(super) fn is_authority(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(OtherError(error))) = error else {
        return false;
    };
    matches!(error.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}
