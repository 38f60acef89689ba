//! An instance's settings, with the HTTP transports built from them.
//!
//! A session keeps the setup that its token was obtained with, so that a token is sent only through
//! the host, proxy and trust of its own settings, even while a reload replaces them.

use std::sync::Arc;

use super::transport::{HttpTransport, SetupError};
use crate::config::InstanceSettings;

/// Settings of an instance, ready for use. A reload replaces it as a whole.
#[derive(Clone, Debug)]
pub struct InstanceSetup {
    pub settings: InstanceSettings,
    /// Transport of logins and refreshes.
    pub login: HttpTransport,
    /// Transport of calls.
    pub calls: HttpTransport,
}

impl InstanceSetup {
    /// Configures the transports; connects to nothing yet.
    ///
    /// # Errors
    /// The proxy or the file of certificate authorities is unusable.
    pub fn new(settings: InstanceSettings) -> Result<Arc<Self>, SetupError> {
        Ok(Arc::new(Self {
            login: HttpTransport::new(&settings)?,
            calls: HttpTransport::new(&settings)?,
            settings,
        }))
    }
}
