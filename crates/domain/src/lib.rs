//! The domain of the EXP network: channels and their IDs, broadcasts, payloads, identities, logins
//! and API paths, each with its form on the wire.
//!
//! The crate does no I/O and depends on no other crate of the workspace. It also owns the terms
//! that several crates share ([`Fate`], [`GapReason`], [`LinkState`], [`Overflow`],
//! [`SubscriptionState`]): each is spelled in one place, by its `as_str`.
#![warn(missing_docs)]

// Compiles and runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod api_path;
pub mod channel;
pub mod channel_id;
pub mod clock;
pub mod excerpt;
pub mod fate;
pub mod identity;
pub mod link;
pub mod login;
pub mod login_answer;
pub mod message;
pub mod pattern;
pub mod payload;
pub mod quoted;
pub mod secret;
pub mod subscription;

pub use api_path::{ApiPath, PathClass, PathPattern, ReservedPath};
pub use channel::{Channel, ChannelRule};
pub use channel_id::{Alphabet, ChannelId};
pub use fate::Fate;
pub use identity::{Identity, IdentityKind};
pub use link::{Generation, LinkCause, LinkState};
pub use login_answer::{KnownIdentity, LoginAnswer};
pub use message::{Broadcast, BroadcastId, DEFAULT_BROADCAST_TIMEOUT, ROUND_TRIP_ALLOWANCE};
pub use pattern::{NamePattern, NameSet};
pub use payload::Payload;
pub use quoted::Quoted;
pub use secret::Secret;
pub use subscription::{GapReason, Overflow, SubscriptionState};
