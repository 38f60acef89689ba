//! One identity's way to the cloud: the session that holds the token, the HTTP calls, and the live socket.

pub mod api;
pub mod backoff;
pub mod credentials;
pub mod deadline;
pub mod link;
pub mod session;
pub mod transport;
