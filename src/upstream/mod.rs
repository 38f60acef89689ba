//! One identity's way to the cloud.
//!
//! Imports go one way: `transport` (HTTP) < `setup` (settings with their transports) < `session`
//! (the token) < `api` (calls), and `link` (the live socket) beside `api`.

pub mod api;
pub(crate) mod backoff;
pub(crate) mod credentials;
pub(crate) mod deadline;
pub mod link;
pub(crate) mod pauses;
pub mod session;
pub(crate) mod setup;
pub mod transport;
