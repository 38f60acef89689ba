//! The session: logs in, keeps the token fresh, and is the one place that holds it.
//!
//! One task does all of it, so however many callers find a token stale, one request replaces it. Everybody else holds a
//! [`Session`], a handle that shows the present state and can ask for a newer one.

mod announced;
mod authenticator;
mod clock;
mod error;
mod handle;
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
pub use task::SessionTask;
pub use timings::SessionTimings;
