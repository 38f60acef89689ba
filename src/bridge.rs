//! One identity behind one handle: what every front door calls.
//!
//! A bridge checks a call against the network's rules and hands it on: up to EXP over HTTP, or down to the router for a
//! listener. It holds no state of its own but the broadcasts that wait for the connection.

mod bridges;
mod broadcast;
mod error;
mod handle;
mod waiting;

pub use bridges::Bridges;
pub use broadcast::{BroadcastRequest, WhenOffline};
pub use error::BridgeError;
pub use handle::{Bridge, OnBehalf};
pub use waiting::{OfflineQueue, QueueFull};
