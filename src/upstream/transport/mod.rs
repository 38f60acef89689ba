//! HTTP towards one instance's host: one request, one answer, and what became of the request.

mod answer;
mod departure;
mod error;
mod http;

pub use answer::{Answer, AnswerRoom, Unbounded};
pub use departure::Departure;
pub use error::CallError;
pub use http::Wire;
pub(super) use http::{LARGEST_ANSWER, line_time};
