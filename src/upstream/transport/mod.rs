//! HTTP with one instance's host: one request, one answer, and the fate of the request.

mod answer;
mod answer_reader;
mod answer_room;
mod decoder;
mod error;
mod http;
mod line;
mod open_answer;
mod read_size;
mod send_latch;
mod setup;

pub use answer::{Answer, AnswerBody};
pub use answer_room::{AnswerRoom, Unbounded};
pub use error::{CallError, RouteFailure};
pub use http::HttpTransport;
pub(super) use http::LARGEST_ANSWER;
pub(super) use line::line_time;
pub use open_answer::ByteStream;
pub(super) use open_answer::{OpenAnswer, beyond_the_end};
pub use send_latch::SendLatch;
pub use setup::SetupError;
