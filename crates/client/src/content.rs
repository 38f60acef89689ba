//! Content that is read piece by piece.

use std::path::PathBuf;

use bytes::Bytes;
use tonic::Streaming;

use expd_proto as proto;
use expd_proto::fetch_chunk::Form;

use crate::error::ClientError;

const CALL: &str = "Api.Fetch";

/// Facts about content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentHead {
    /// `Content-Type`; empty where EXP names none.
    pub content_type: String,
    /// Size of the whole content in bytes, where EXP tells it.
    pub size: Option<u64>,
    /// Position of the first byte that follows.
    pub offset: u64,
    /// `ETag`, which changes with the content; empty where EXP names none.
    pub etag: String,
}

/// Content on its way. Dropping it ends the call.
#[derive(Debug)]
pub struct Content {
    /// Facts about it.
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

    /// The next bytes, in pieces of any length; none at the end. After an error, another
    /// [`Client::fetch`](crate::Client::fetch) goes on at the offset that was reached.
    ///
    /// # Errors
    /// The content broke off.
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
