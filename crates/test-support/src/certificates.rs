//! A private certificate authority and what it signs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, IsCa, Issuer,
    KeyPair,
};
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// The common name of an authority.
const NAME: &str = "Test authority";

/// An authority with its certificate in a file.
pub struct Authority {
    params: CertificateParams,
    certificate: Certificate,
    key: KeyPair,
    folder: TempDir,
}

impl Authority {
    pub fn new() -> Self {
        Self::from_params(params(NAME, &[], false))
    }

    /// One whose own certificate serves for a DNS name or an IP address, too, as `openssl req
    /// -x509` makes them.
    pub fn serving(name: &str, expired: bool) -> Self {
        Self::from_params(params(name, &[name], expired))
    }

    fn from_params(mut params: CertificateParams) -> Self {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let authority = Self {
            params,
            certificate,
            key,
            folder: tempfile::tempdir().unwrap(),
        };
        std::fs::write(authority.file(), authority.certificate.pem()).unwrap();
        authority
    }

    /// Serves with the authority's own certificate.
    pub fn acceptor(&self) -> TlsAcceptor {
        acceptor(&self.certificate, &self.key)
    }

    /// The certificate's file, in PEM.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Serves with a certificate for a DNS name or an IP address, already expired if so wanted.
    pub fn sign(&self, name: &str, expired: bool) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::from_params(&self.params, &self.key);
        let certificate = params(name, &[name], expired)
            .signed_by(&key, &issuer)
            .unwrap();
        acceptor(&certificate, &key)
    }
}

fn acceptor(certificate: &Certificate, key: &KeyPair) -> TlsAcceptor {
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.into())
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

fn params(common_name: &str, names: &[&str], expired: bool) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    let now = SystemTime::now();
    params.not_before = (now - Duration::from_hours(240)).into();
    params.not_after = if expired {
        now - Duration::from_hours(1)
    } else {
        now + Duration::from_hours(24)
    }
    .into();
    params
}
