//! Dials the server: TCP, through a proxy's tunnel where there is one, then TLS.

use super::Address;
use crate::error::ConnectError;
use crate::tcp;
use crate::trust::Trust;
pub(super) use crate::tunnel::Stream;
use crate::tunnel::{self, encrypt};

/// Connects to `address`.
pub(super) async fn dial(address: &Address<'_>, trust: &Trust) -> Result<Stream, ConnectError> {
    let stream = match address.proxy() {
        Some(proxy) => tunnel::open(&proxy, &address.authority(), trust).await?,
        None => Box::new(tcp::connect(address.host(), address.port()).await?),
    };
    if address.secure() {
        encrypt(stream, address.host(), trust).await
    } else {
        Ok(stream)
    }
}
