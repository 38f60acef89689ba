//! The link: keeps one instance's live socket up, and everything that is wanted subscribed on it.
//!
//! It follows the session (a token), opens a socket, asks for every wanted channel, and reports to the router what is asked,
//! confirmed, broadcast and lost. A new token gets its own socket: everything is confirmed on it, and the old one has
//! handed over all it was sent, before the old one is closed. It never gives up: what fails is tried again, with jitter
//! and ever more rarely up to a bound.

mod connection;
mod parts;
mod recent;
mod refusals;
mod rotation;
mod serving;
mod status;
mod subscriptions;
mod supervisor;
mod timings;

pub use parts::LinkParts;
pub use status::LinkStatus;
pub use supervisor::Link;
pub use timings::LinkTimings;
