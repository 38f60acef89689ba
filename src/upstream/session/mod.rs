//! The session: logs in, keeps the token fresh, and is the only place that holds it.
//!
//! One task does all of it, so any number of callers with a stale token cause a single request.
//! Others hold a [`Session`], a handle that shows the present state and can ask for a newer token.

mod authenticator;
mod clock;
mod error;
mod handle;
mod hosts;
mod inbox;
mod keyring;
mod refusals;
mod renewals;
mod state;
mod task;
mod timings;

pub use error::SessionError;
pub use handle::Session;
pub use state::{LoggedIn, SessionState};
pub use task::{LAST_SAVE, SessionTask};
pub use timings::SessionTimings;
