//! The link: keeps one instance's live socket connected, and all wanted channels subscribed.
//!
//! It follows the session's token, opens a socket, asks for every wanted channel, and reports to
//! the router what was asked, confirmed, broadcast and lost. A new token gets its own socket: the
//! old one is closed after everything is confirmed on the new one and everything sent on the old
//! one has arrived. It never gives up: failures are retried with jittered, bounded backoff.
//!
//! Imports go one way: `supervisor` (connect, back off) > `serving` > `rotation` and `refusals` >
//! `connection` > `subscriptions`.

mod connection;
mod held;
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
