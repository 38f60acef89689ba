//! The embedded EXP-compatible network: logins, live sockets, broadcasts, resources, content,
//! pairing.
//!
//! One process, one organization, everything bounded, and in memory unless there is a `store`.
//! [`Hub`] is a function of settings and shutdown, without global state. `expd hub` runs it,
//! `--embedded` brings it along, and tests run against it. It is open to anonymous clients; what
//! one of them can make it hold or do is bounded in size, number, share and time.
//!
//! Imports go one way, from the top of this map to its bottom:
//!
//! - server: `hub`, `server` (accept, HTTP/1), `router` (paths, CORS, `Host`);
//! - handlers: `auth`, `broadcasts`, `data`, `resources`, `feeds`, `current`, `content`,
//!   `delivery`, `operator_api`, and `engine`, `socket` and `subscriptions` for live sockets;
//! - used by handlers: `login` (the token of a request), `login_request`, `authentication`, `body`,
//!   `collection_query`, `uploads`, `ranges`, `restricted_cookie`, `publish`, `disconnect`;
//! - `state`: one of each part;
//! - parts that admit: `admission`, `stream`, `connection`, `address`, `byte_budget`,
//!   `body_memory`, `socket_memory`, `session_slots`, `turns`;
//! - parts that identify: `directory`, `pairing_codes`, `password_checks`, `password`, `tokens`,
//!   `refreshed_logins`, `keys`, `hosts`;
//! - parts that hold messages and documents: `socket_registry`, `outbox`, `pending`,
//!   `resource_store`, `data_store`, `content_tree`, `content_seeds`, `content_files`, `counters`,
//!   and `store`, which keeps what they hold;
//! - below all: `engine_query`, `rate_limiter`, `settings`, `error`, `store_error`, `lock`.
//!
//! The crate `expd-server` is the part that the door for pages shares with it: connections, bodies,
//! and the engine of live sockets.
//!
//! [`operator`] is the operator's client.

#![allow(
    missing_docs,
    reason = "inside this workspace, a name that says everything needs no comment"
)]

mod auth;
mod authentication;
mod body;
mod broadcasts;
mod collection_query;
mod content;
mod content_files;
mod content_node;
mod content_seeds;
mod content_tree;
mod counters;
mod current;
mod data;
mod data_store;
mod delivery;
mod directory;
mod disconnect;
mod disk;
mod engine;
mod error;
mod feeds;
#[cfg(fuzzing)]
mod fuzzing;
mod hub;
mod keys;
mod login;
pub mod operator;
mod operator_api;
mod outbox;
mod pairing_codes;
mod password;
mod password_checks;
mod pending;
mod publish;
mod refreshed_logins;
mod resource_store;
mod resources;
mod restricted_cookie;
mod router;
mod session_slots;
mod settings;
mod socket;
mod socket_registry;
mod state;
mod store;
mod store_error;
mod subscriptions;
mod temporary_folder;
mod tokens;
mod turns;
mod uploads;

use expd_server::{
    address, admission, body_memory, byte_budget, connection, engine_query, hosts, lock,
    login_request, ranges, rate_limiter, server, socket_memory,
};

pub use admission::MAX_CONNECTIONS;
pub use counters::{ChannelCount, CountersSnapshot};
pub use error::HubError;
pub use hosts::Hosts;
pub use hub::Hub;
pub use keys::{operator_key_file, read_key};
pub use password::{HashError, check_password_hash, hash_password};
pub use settings::{DEFAULT_ROLE, HubConsumerApp, HubDevice, HubSettings, HubUser};
pub use store_error::StoreError;
