//! Serving EXP's protocol, for the embedded network and for the daemon's web server.
//!
//! Connections are admitted within shares, bodies are read within budgets of memory and time, and
//! live sockets speak Engine.IO 3 and 4. The handlers are the caller's: of the workspace, this
//! crate depends on the domain alone.
//!
//! - connections: `server` (accept, HTTP/1), `admission`, `connection`, `stream`, `address`,
//!   `hosts`;
//! - requests: `body`, `body_memory`, `byte_budget`, `socket_memory`, `messages`, `login_request`,
//!   `token`, `token_life`, `keys`, `ranges`, `rate_limiter`;
//! - live sockets: `network_events`, `engine`, `engine_query`, `legacy_framing`;
//! - below all: `error`, `lock`.

pub mod address;
pub mod admission;
pub mod body;
pub mod body_memory;
pub mod byte_budget;
pub mod connection;
pub mod engine;
pub mod engine_query;
pub mod error;
pub mod hosts;
pub mod keys;
mod legacy_framing;
pub mod lock;
pub mod login_request;
pub mod messages;
pub mod network_events;
pub mod ranges;
pub mod rate_limiter;
pub mod server;
pub mod socket_memory;
mod stream;
pub mod token;
pub mod token_life;
