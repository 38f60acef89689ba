//! The calls of the API: broadcasts, responses, resources.

mod client;
mod target;

pub use client::{ApiAnswer, ApiClient};
