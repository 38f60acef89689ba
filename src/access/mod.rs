//! Access control: which caller may do what, on which instance and channel.
//!
//! The settings' [`AccessRule`]s become an [`AccessPolicy`], and every door asks it about its
//! [`Caller`]s: the processes at the other end of local connections, as the kernel identifies them.

pub mod accounts;
mod caller;
mod policy;
mod rule;
mod verb;

pub use caller::{Caller, Peer};
pub use policy::{AccessPolicy, Denied, Place, Rights};
pub use rule::AccessRule;
pub use verb::Verb;
