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
//! - server: `hub` (bind, serve, stop), `router` (paths, CORS, `Host`);
//! - handlers: `auth`, `broadcasts`, `data`, `resources`, `feeds`, `current`, `content`,
//!   `delivery`, `operator_api`, and `engine`, `socket` and `subscriptions` for live sockets;
//! - used by handlers: `login` (the token of a request), `authentication`, `body`,
//!   `collection_query`, `uploads`, `restricted_cookie`, `publish`, `disconnect`;
//! - `state`: one of each part, made from the settings and from `disk`, which reads what is stored;
//! - parts that admit: `session_slots`, `turns`;
//! - parts that identify: `directory`, `pairing_codes`, `password_checks`, `password`, `tokens`,
//!   `refreshed_logins`, `keys`;
//! - parts that hold messages and documents: `socket_registry`, `outbox`, `pending`,
//!   `resource_store`, `data_store`, `content_tree`, `content_seeds`, `content_files`,
//!   `content_node`, `temporary_folder`, `counters`, and `store`, which keeps what they hold;
//! - below all: `settings`, `error`, `store_error`.
//!
//! The crate `expd-server`, shared with the daemon's web server, is below: it admits connections,
//! reads bodies and login requests, limits memory and rates, and speaks Engine.IO.
//!
//! [`operator`] is the operator's client.

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

pub use counters::{ChannelCount, CountersSnapshot};
pub use error::HubError;
pub use hub::Hub;
pub use keys::{operator_key_file, read_key};
pub use password::{HashError, check_password_hash, hash_password};
pub use settings::{DEFAULT_ROLE, HubConsumerApp, HubDevice, HubSettings, HubUser};
pub use store_error::StoreError;

pub use expd_server::admission::MAX_CONNECTIONS;
pub use expd_server::hosts::Hosts;
