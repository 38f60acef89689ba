//! One identity's way to the cloud.
//!
//! Imports go one way: `transport` (HTTP) < `setup` (settings with their transports) < `session`
//! (the token) < `api` (calls), and `link` (the live socket) beside `api`.

pub mod api;
pub mod backoff;
pub mod credentials;
pub mod deadline;
pub mod link;
pub mod pauses;
pub mod session;
pub mod setup;
pub mod transport;
