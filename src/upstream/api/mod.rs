//! API calls with a session's token: broadcasts, responses, resources.

mod client;
mod target;

pub use client::{ApiAnswer, ApiClient};
