//! API calls with a session's token: broadcasts, responses, resources, content.

mod client;
mod content;
mod target;

pub use client::{ApiAnswer, ApiClient};
pub use content::{Content, ContentHead};
