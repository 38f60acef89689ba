//! Remedies for TLS errors.

use std::error::Error as StdError;
use std::io;

use tokio_rustls::rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

use super::verifier::{is_authority, is_unknown_issuer};

/// The TLS error among the causes of an error.
pub fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // An I/O error's inner error is not among its sources.
        let within = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        if let Some(within) = within {
            return tls_error(within);
        }
        cause = error.source();
    }
    None
}

/// Remedy for the operator. `None` means that the connection ended before its handshake.
pub fn remedy(error: Option<&Error>) -> &'static str {
    use CertificateError as Certificate;
    match error {
        Some(Error::InvalidCertificate(
            Certificate::Expired | Certificate::ExpiredContext { .. },
        )) => "the server's certificate has expired; renew it, or correct this machine's clock",
        Some(Error::InvalidCertificate(
            Certificate::NotValidYet | Certificate::NotValidYetContext { .. },
        )) => "the server's certificate is not valid yet; correct this machine's clock",
        Some(Error::InvalidCertificate(
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. },
        )) => {
            "the certificate is for another name; check the host setting, and whether the certificate has that name as a subjectAltName"
        }
        Some(error) if is_unknown_issuer(error) || is_authority(error) => UNKNOWN,
        Some(Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            "it does not speak TLS on that port; write http:// or another port in the host setting"
        }
        Some(
            Error::PeerIncompatible(_)
            | Error::AlertReceived(
                AlertDescription::HandshakeFailure
                | AlertDescription::ProtocolVersion
                | AlertDescription::InsufficientSecurity,
            ),
        ) => "it supports neither TLS 1.3 nor TLS 1.2 with ECDHE and an AEAD cipher; update it",
        Some(Error::General(_)) => "install the system's certificate authorities, or set ca_file",
        Some(Error::InvalidCertificate(_)) => "replace the server's certificate",
        _ => "check that the host speaks TLS on that port",
    }
}

const UNKNOWN: &str =
    "its issuer is not trusted here; set ca_file to that authority's certificate to trust it";
