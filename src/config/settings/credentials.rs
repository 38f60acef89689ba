//! Credentials of an instance.

use expd_domain::{IdentityKind, Secret};

/// `[instances.NAME.credentials]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// A screen or another device.
    Device {
        /// Optional where pairing is allowed.
        uuid: Option<String>,
        /// Optional where pairing is allowed.
        secret: Option<Secret>,
        /// Log in in pairing mode if the credentials are missing or refused.
        allow_pairing: bool,
    },
    /// A person.
    User {
        username: String,
        password: Secret,
        organization: String,
    },
    ConsumerApp {
        uuid: String,
        api_key: Secret,
    },
}

impl Credentials {
    /// Kind of the identity that they are for.
    pub fn kind(&self) -> IdentityKind {
        match self {
            Self::Device { .. } => IdentityKind::Device,
            Self::User { .. } => IdentityKind::User,
            Self::ConsumerApp { .. } => IdentityKind::ConsumerApp,
        }
    }
}
