//! The transport of calls, which adds the token to every call over TCP.

use std::io;
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

use expd_domain::Secret;
use tonic::body::Body;
use tonic::codegen::http::{HeaderValue, Request, Response, header};
use tonic::transport::Channel;
use tonic::transport::channel::ResponseFuture;
use tower::Service;

use crate::error::ClientError;

/// Maximum size of a token file.
const MOST_TOKEN_BYTES: u64 = 16 << 10;

/// The token of calls over TCP: the content of the file `EXPD_TOKEN_FILE`, else `EXPD_TOKEN`.
pub(crate) fn token_from_environment() -> Result<Option<Secret>, ClientError> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(path) = variable("EXPD_TOKEN_FILE") {
        let path = PathBuf::from(path);
        let token = read_token(&path).map_err(|error| {
            ClientError::Request(format!(
                "cannot read the token in {} (EXPD_TOKEN_FILE): {error}; let this user read it, or correct the path",
                path.display()
            ))
        })?;
        return Ok(Some(token));
    }
    let token = variable("EXPD_TOKEN").and_then(|token| token.into_string().ok());
    Ok(token.map(Secret::new))
}

fn read_token(path: &Path) -> io::Result<Secret> {
    use std::io::Read as _;
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    file.take(MOST_TOKEN_BYTES).read_to_string(&mut text)?;
    let text = Secret::new(text);
    Ok(Secret::new(text.expose().trim()))
}

/// A connection that adds the token to every call.
#[derive(Clone, Debug)]
pub(crate) struct Transport {
    channel: Channel,
    /// The header `authorization`; `None` on a Unix socket, where the kernel identifies the caller.
    authorization: Option<HeaderValue>,
}

impl Transport {
    /// A connection whose calls send this token.
    pub(crate) fn new(channel: Channel, token: Option<&Secret>) -> Result<Self, ClientError> {
        let header = |token: &Secret| -> Result<HeaderValue, ClientError> {
            let bearer = Secret::new(format!("Bearer {}", token.expose()));
            let mut header = HeaderValue::from_str(bearer.expose()).map_err(|_| {
                ClientError::Request(
                    "the token (EXPD_TOKEN_FILE, EXPD_TOKEN) has characters that no header can hold"
                        .to_owned(),
                )
            })?;
            header.set_sensitive(true);
            Ok(header)
        };
        Ok(Self {
            channel,
            authorization: token.map(header).transpose()?,
        })
    }
}

impl Service<Request<Body>> for Transport {
    type Response = Response<Body>;
    type Error = tonic::transport::Error;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.channel.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if let Some(authorization) = &self.authorization {
            let headers = request.headers_mut();
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        self.channel.call(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_file_is_read_without_its_line_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "a token\n").unwrap();
        assert_eq!(read_token(&path).unwrap().expose(), "a token");
        assert!(read_token(&folder.path().join("none")).is_err());
    }
}
