//! Serving EXP's protocol, for the embedded network and for the daemon's own pages alike.
//!
//! Connections are admitted within shares, bodies are read within budgets of memory and time, and
//! live sockets speak Engine.IO 3 and 4. What is behind them is the caller's: this crate knows the
//! domain alone.
//!
//! - connections: `server` (accept, HTTP/1), `admission`, `connection`, `stream`, `address`,
//!   `hosts`;
//! - requests: `body`, `body_memory`, `byte_budget`, `socket_memory`, `messages`, `login_request`,
//!   `token`, `token_life`, `keys`, `ranges`, `rate_limiter`;
//! - live sockets: `network_events`, `engine`, `engine_query`, `legacy_framing`;
//! - below all: `error`, `lock`.

#![allow(
    missing_docs,
    reason = "inside this workspace, a name that says everything needs no comment"
)]

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
pub mod legacy_framing;
pub mod lock;
pub mod login_request;
pub mod messages;
pub mod network_events;
pub mod ranges;
pub mod rate_limiter;
pub mod server;
pub mod socket_memory;
pub mod stream;
pub mod token;
pub mod token_life;
