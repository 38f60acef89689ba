//! A private certificate authority and what it signs.

use std::path::PathBuf;

use native_tls::Identity;
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509NameBuilder};
use tempfile::TempDir;

/// An authority with its certificate in a file.
pub struct Authority {
    certificate: X509,
    key: PKey<Private>,
    folder: TempDir,
}

impl Authority {
    pub fn new() -> Self {
        Self::made("Test authority", in_seconds(86_400), |_| {})
    }

    /// One whose own certificate serves for a DNS name or an IP address, too, as `openssl req -x509` makes them.
    #[allow(dead_code, reason = "the tests of the wire alone have such servers")]
    pub fn serving(name: &str, expired: bool) -> Self {
        Self::made(name, end(expired), |builder| {
            let names = names(name)
                .build(&builder.x509v3_context(None, None))
                .unwrap();
            builder.append_extension(names).unwrap();
        })
    }

    fn made(name: &str, end: i64, more: impl FnOnce(&mut X509Builder)) -> Self {
        let (mut builder, key) = blank(name);
        builder
            .set_not_after(&Asn1Time::from_unix(end).unwrap())
            .unwrap();
        builder.set_issuer_name(&builder_name(name)).unwrap();
        builder
            .append_extension(BasicConstraints::new().critical().ca().build().unwrap())
            .unwrap();
        more(&mut builder);
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        let authority = Self {
            certificate: builder.build(),
            key,
            folder: tempfile::tempdir().unwrap(),
        };
        std::fs::write(authority.file(), authority.certificate.to_pem().unwrap()).unwrap();
        authority
    }

    /// What serves with its own certificate.
    #[allow(dead_code, reason = "the tests of the wire alone have such servers")]
    pub fn identity(&self) -> Identity {
        identity(&self.certificate, &self.key)
    }

    /// The certificate's file, in PEM.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A server's certificate for a DNS name or an IP address, already expired if so wanted.
    pub fn sign(&self, name: &str, expired: bool) -> Identity {
        let (mut builder, key) = blank(name);
        builder
            .set_not_after(&Asn1Time::from_unix(end(expired)).unwrap())
            .unwrap();
        builder
            .set_issuer_name(self.certificate.subject_name())
            .unwrap();
        let names = names(name)
            .build(&builder.x509v3_context(Some(&self.certificate), None))
            .unwrap();
        builder.append_extension(names).unwrap();
        builder.sign(&self.key, MessageDigest::sha256()).unwrap();
        identity(&builder.build(), &key)
    }
}

fn identity(certificate: &X509, key: &PKey<Private>) -> Identity {
    Identity::from_pkcs8(
        &certificate.to_pem().unwrap(),
        &key.private_key_to_pem_pkcs8().unwrap(),
    )
    .unwrap()
}

fn names(name: &str) -> SubjectAlternativeName {
    let mut names = SubjectAlternativeName::new();
    if name.parse::<std::net::IpAddr>().is_ok() {
        names.ip(name);
    } else {
        names.dns(name);
    }
    names
}

/// When a certificate ends.
fn end(expired: bool) -> i64 {
    in_seconds(if expired { -3600 } else { 86_400 })
}

fn in_seconds(seconds: i64) -> i64 {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    i64::try_from(now).unwrap() + seconds
}

fn builder_name(name: &str) -> openssl::x509::X509Name {
    let mut builder = X509NameBuilder::new().unwrap();
    builder.append_entry_by_text("CN", name).unwrap();
    builder.build()
}

fn blank(name: &str) -> (X509Builder, PKey<Private>) {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let mut serial = BigNum::new().unwrap();
    serial
        .rand(64, openssl::bn::MsbOption::MAYBE_ZERO, false)
        .unwrap();
    builder
        .set_serial_number(&serial.to_asn1_integer().unwrap())
        .unwrap();
    builder.set_subject_name(&builder_name(name)).unwrap();
    builder
        .set_not_before(&Asn1Time::from_unix(1_600_000_000).unwrap())
        .unwrap();
    builder.set_pubkey(&key).unwrap();
    (builder, key)
}
