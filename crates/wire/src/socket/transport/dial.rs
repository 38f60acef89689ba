//! Dials the server: TCP, through a proxy's tunnel if there is one, then TLS.

use super::Address;
use crate::error::ConnectError;
use crate::tcp;
use crate::trust::Trust;
pub(super) use crate::tunnel::Stream;
use crate::tunnel::{self, encrypt};

pub(super) async fn dial(address: &Address<'_>, trust: &Trust) -> Result<Stream, ConnectError> {
    let path = &address.endpoint.path;
    let stream = if let Some(proxy) = address.proxy() {
        tunnel::open(&proxy, &address.authority(), trust, path).await?
    } else {
        let stream = tcp::connect(address.host(), address.port()).await?;
        path.set(&stream);
        Box::new(stream)
    };
    if address.secure() {
        encrypt(stream, address.host(), trust).await
    } else {
        Ok(stream)
    }
}
