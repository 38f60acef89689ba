//! One identity's way to the cloud: the session that holds the token, the HTTP calls, and the live socket.

pub mod backoff;
pub mod credentials;
pub mod deadline;
mod encoding;
mod excerpt;
pub mod http;
pub mod link;
mod names;
mod proxy_challenge;
mod server_time;
pub mod session;
pub mod socket;
mod tcp;
mod tls;
mod trouble;
mod trust;
mod tunnel;
