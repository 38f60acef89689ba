//! The embedded EXP-compatible network: logins, live sockets, broadcasts, a few resources, pairing.
//!
//! It is what `expd hub` runs, what `--embedded` brings along, and what the tests run against: one process, one
//! organization, everything in memory and bounded. A [`Hub`] is a function of (settings, shutdown); nothing is global, so
//! many live side by side.
//!
//! It is open to strangers, and what one of them can make it hold or do is bounded in size, number, share and time: `admission`
//! bounds connections, `server` heads, `body` and `memory` bodies, `engine_sessions` sockets, `polling_body` what the Socket.IO
//! library reads, `password_checks`, `pairing_codes` and `rate` logins, `hosts` who may be meant.
//!
//! The other files: `settings` what can be set; `connection` one TCP connection; `router` the paths; `auth`, `keys`, `tokens`,
//! `password` and `directory` who may come in; `engine`, `engine_query` and `socket` the live sockets, `legacy_framing` and
//! `legacy_polling` what old ones need; `network` who listens where; `pending` and `broadcasts` messages and their responses;
//! `resources` and `data` the API's documents; `pairing` the operator's side, [`operator`] the client for it; `counters` what has
//! happened; `error` how requests are refused.

mod address;
mod admission;
mod auth;
mod body;
mod body_memory;
mod broadcasts;
mod byte_budget;
mod connection;
mod counters;
mod data;
mod data_store;
mod directory;
mod disconnect;
mod engine;
mod engine_query;
mod engine_sessions;
mod error;
#[cfg(fuzzing)]
mod fuzzing;
mod hosts;
mod hub;
mod keys;
mod legacy_framing;
mod legacy_polling;
mod lock;
mod login;
pub mod operator;
mod operator_api;
mod pairing_codes;
mod password;
mod password_checks;
mod pending;
mod polling_body;
mod publish;
mod rate_limiter;
mod resource_store;
mod resources;
mod router;
mod server;
mod settings;
mod socket;
mod socket_memory;
mod socket_registry;
mod state;
mod stream;
mod tokens;

pub use admission::MAX_CONNECTIONS;
pub use counters::{ChannelCount, CountersSnapshot};
pub use error::HubError;
pub use hosts::Hosts;
pub use hub::Hub;
pub use keys::{operator_key_file, read_key};
pub use password::{HashError, check_password_hash, hash_password};
pub use settings::{HubConsumerApp, HubDevice, HubSettings, HubUser};
