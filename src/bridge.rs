//! One identity behind one handle, which every server calls.
//!
//! A bridge checks a call against the network's rules and passes it on: up to EXP over HTTP, or
//! down to the router for a listener. Its only state is the queue of broadcasts that wait for the
//! connection.

mod bridges;
mod broadcast;
mod error;
mod handle;
mod waiting;

pub use bridges::Bridges;
pub use broadcast::{BroadcastRequest, WhenOffline};
pub use error::BridgeError;
pub use handle::{Bridge, OnBehalf};
pub use waiting::OfflineQueue;
