//! Content, read in chunks.

use std::path::PathBuf;

use bytes::Bytes;
use tonic::Streaming;

use expd_proto as proto;
use expd_proto::fetch_chunk::Form;

use crate::error::ClientError;

const CALL: &str = "Api.Fetch";

/// Metadata of content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentHead {
    /// `Content-Type`; empty if EXP sends none.
    pub content_type: String,
    /// Size of the whole content in bytes, if EXP reports it.
    pub size: Option<u64>,
    /// Offset of the first byte that [`Content::next`] returns.
    pub offset: u64,
    /// `ETag`, which changes with the content; empty if EXP sends none.
    pub etag: String,
}

/// Content that is being received. Dropping it cancels the call.
#[derive(Debug)]
pub struct Content {
    /// Metadata of the content.
    pub head: ContentHead,
    chunks: Streaming<proto::FetchChunk>,
    path: PathBuf,
}

impl Content {
    pub(crate) async fn new(
        mut chunks: Streaming<proto::FetchChunk>,
        path: PathBuf,
    ) -> Result<Self, ClientError> {
        let first = chunks.message().await;
        let first = first.map_err(|status| ClientError::from_status(&path, CALL, &status))?;
        let Some(Form::Head(head)) = first.and_then(|first| first.form) else {
            return Err(ClientError::Contract("content without a head".to_owned()));
        };
        Ok(Self {
            head: ContentHead {
                content_type: head.content_type,
                size: head.size,
                offset: head.offset,
                etag: head.etag,
            },
            chunks,
            path,
        })
    }

    /// The next chunk, of any length; `None` at the end. After an error, another
    /// [`Client::fetch`](crate::Client::fetch) can continue at the offset that was reached.
    ///
    /// # Errors
    /// The transfer broke off.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        let next = self.chunks.message().await;
        let next = next.map_err(|status| ClientError::from_status(&self.path, CALL, &status))?;
        match next.map(|chunk| chunk.form) {
            None => Ok(None),
            Some(Some(Form::Data(data))) => Ok(Some(data)),
            Some(_) => Err(ClientError::Contract("content without data".to_owned())),
        }
    }
}
