//! The EXP domain: what a channel, a broadcast, an identity and a payload are, and how each looks on the wire.
//!
//! Nothing here does I/O or knows another room of this crate; the daemon and the embedded network both build on it.

pub mod api_path;
pub mod channel;
pub mod identity;
pub mod login;
pub mod message;
pub mod payload;
pub mod quoted;
pub mod secret;

pub use api_path::{ApiPath, PathClass};
pub use channel::{Alphabet, Channel, ChannelId, ChannelRule};
pub use identity::{Identity, IdentityKind};
pub use message::{Broadcast, BroadcastId};
pub use payload::Payload;
pub use quoted::Quoted;
pub use secret::Secret;
