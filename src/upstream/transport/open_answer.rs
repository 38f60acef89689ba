//! An answer whose head has arrived and whose body is read piece by piece.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, ETAG, LOCATION};
use reqwest::{Response, StatusCode};
use tokio::task::yield_now;
use tokio::time::timeout;

use super::answer::{Answer, REST_TIMEOUT, field};
use super::answer_reader::{Decoding, ReadAhead};
use super::answer_room::AnswerRoom;
use super::decoder::Coding;
use super::error::CallError;
use super::read_size::ReadSize;
use expd_wire::diagnosis::RouteDescription;

/// Bound on the body of an error, in bytes.
const LARGEST_ERROR: usize = 64 << 10;

/// A part of a larger content, as `Content-Range` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// Position of the first byte; `None` if the server has no such range.
    pub start: Option<u64>,
    /// Size of the whole.
    pub size: Option<u64>,
}

/// An answer whose body has not been read.
pub struct OpenAnswer {
    pub(super) response: Response,
    pub(super) route: RouteDescription,
    pub(super) read_size: ReadSize,
    /// Bytes reserved for the HTTP library's read-ahead.
    pub(super) reserved: usize,
}

impl OpenAnswer {
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub fn content_type(&self) -> String {
        field(&self.response, CONTENT_TYPE)
    }

    pub fn etag(&self) -> String {
        field(&self.response, ETAG)
    }

    /// Length of the body if it is announced and not encoded.
    pub fn length(&self) -> Option<u64> {
        let is_plain = matches!(Coding::of(self.response.headers()), Ok(None));
        self.response.content_length().filter(|_| is_plain)
    }

    /// True for an encoded body.
    pub fn is_encoded(&self) -> bool {
        !matches!(Coding::of(self.response.headers()), Ok(None))
    }

    pub fn range(&self) -> Option<ContentRange> {
        let text = self.response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
        let (range, size) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
        let start = range.split_once('-').map(|(start, _)| start.trim().parse());
        Some(ContentRange {
            start: start.transpose().ok()?,
            size: size.trim().parse().ok(),
        })
    }

    /// Turns an answer without content into an error: EXP's own, or one about a redirect.
    pub async fn into_error(self, room: &dyn AnswerRoom) -> CallError {
        let status = self.response.status();
        if status.is_success() || status.is_informational() {
            return CallError::unreadable(self.route.host(), status, "not the content");
        }
        let location = field(&self.response, LOCATION);
        if status.is_redirection() && !location.is_empty() {
            let what = format!("a redirect to {location}, which expd does not follow");
            return CallError::unreadable(self.route.host(), status, &what);
        }
        let bare = Answer::without_body(&self.response);
        let Ok(coding) = Coding::of(self.response.headers()) else {
            return bare.into_error();
        };
        let (most, size) = (LARGEST_ERROR, &self.read_size);
        match Answer::read(self.response, coding, most, room, size, &self.route).await {
            Ok(answer) => answer.into_error(),
            // The status says enough.
            Err(_) => bare.into_error(),
        }
    }

    /// The body, from the byte at `skip`.
    ///
    /// The encoding of the body is not supported.
    pub fn into_stream(self, skip: u64) -> Result<ByteStream, CallError> {
        let status = self.response.status();
        let coding = Coding::of(self.response.headers()).map_err(|error| {
            CallError::unreadable(self.route.host(), status, &error.to_string())
        })?;
        Ok(ByteStream {
            response: self.response,
            route: self.route,
            read_size: self.read_size,
            arrived: 0,
            decoding: coding.map(Decoding::new),
            encoded: Bytes::new(),
            read_ahead: ReadAhead::with_reserved(self.reserved),
            has_begun: false,
            skip,
            skipped: 0,
        })
    }
}

/// The bytes of an answer, read as they are taken. Its memory stays below 4 MB, apart from the
/// window of an answer in Brotli, which expd does not request.
pub struct ByteStream {
    response: Response,
    route: RouteDescription,
    read_size: ReadSize,
    /// Bytes that have arrived.
    arrived: usize,
    decoding: Option<Decoding>,
    /// Bytes that have arrived and are not decoded yet.
    encoded: Bytes,
    read_ahead: ReadAhead,
    has_begun: bool,
    /// Bytes that are still to be dropped, and those that were.
    skip: u64,
    skipped: u64,
}

impl ByteStream {
    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// The answer broke off, is not what its encoding says, or its user's memory is exhausted.
    pub async fn next(&mut self, room: &dyn AnswerRoom) -> Result<Option<Bytes>, CallError> {
        if !self.has_begun {
            self.has_begun = true;
            self.read_ahead.begin(room).await?;
        }
        while let Some(mut bytes) = self.piece(room).await? {
            let dropped = usize::try_from(self.skip).unwrap_or(usize::MAX);
            let dropped = dropped.min(bytes.len());
            self.skip -= dropped as u64;
            self.skipped += dropped as u64;
            bytes = bytes.slice(dropped..);
            if !bytes.is_empty() {
                return Ok(Some(bytes));
            }
        }
        if self.skip > 0 {
            return Err(beyond_the_end(self.skipped + self.skip, self.skipped));
        }
        Ok(None)
    }

    async fn piece(&mut self, room: &dyn AnswerRoom) -> Result<Option<Bytes>, CallError> {
        if self.decoding.is_none() {
            return self.chunk(room).await;
        }
        loop {
            if let Some(piece) = self.decode()? {
                // Other tasks run between two pieces.
                yield_now().await;
                return Ok(Some(piece));
            }
            let Some(chunk) = self.chunk(room).await? else {
                return self.check_whole().map(|()| None);
            };
            if let Some(decoding) = &mut self.decoding {
                decoding.begin(&chunk, room).await?;
            }
            self.encoded = chunk;
        }
    }

    fn decode(&mut self) -> Result<Option<Bytes>, CallError> {
        let Some(decoding) = &mut self.decoding else {
            return Ok(None);
        };
        let mut input = &*self.encoded;
        let piece = match decoding.piece(&mut input) {
            Ok(piece) => piece.map(Bytes::copy_from_slice),
            Err(error) => return Err(broke_off(error)),
        };
        let left = input.len();
        self.encoded = self.encoded.split_off(self.encoded.len() - left);
        Ok(piece)
    }

    fn check_whole(&self) -> Result<(), CallError> {
        match &self.decoding {
            Some(decoding) => decoding.decoder.finish().map_err(broke_off),
            None => Ok(()),
        }
    }

    /// The next bytes as they arrive.
    async fn chunk(&mut self, room: &dyn AnswerRoom) -> Result<Option<Bytes>, CallError> {
        let chunk = match timeout(REST_TIMEOUT, self.response.chunk()).await {
            Err(_) => Err(broke_off(format_args!(
                "{} sent nothing more for {} s",
                self.route.host(),
                Duration::as_secs(&REST_TIMEOUT)
            ))),
            Ok(Err(error)) => Err(broke_off(self.route.describe(&error))),
            Ok(Ok(chunk)) => Ok(chunk),
        }?;
        if let Some(chunk) = &chunk {
            self.arrived = self.arrived.saturating_add(chunk.len());
            self.read_size.note(self.arrived);
            self.read_ahead.grow(chunk.len(), room).await?;
        }
        Ok(chunk)
    }
}

/// Error for an offset beyond the end of the content.
pub fn beyond_the_end(offset: u64, size: u64) -> CallError {
    CallError::Invalid {
        reason: format!("the content has {size} bytes, and the offset is {offset}"),
    }
}

fn broke_off(why: impl std::fmt::Display) -> CallError {
    CallError::BrokeOff {
        reason: why.to_string(),
    }
}
