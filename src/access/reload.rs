//! The decision on a reload of the settings.

use super::caller::Caller;
use super::refusal::Refusal;

/// Decides whether a caller may have the daemon reload its settings: only one that could also send
/// the daemon a SIGHUP, which does the same. No access rule gives or takes that right.
///
/// # Errors
/// It may not.
pub fn check_reload(caller: &Caller) -> Result<(), Refusal> {
    let own = rustix::process::geteuid().as_raw();
    match caller.user() {
        Some(user) if user == 0 || user == own => Ok(()),
        _ => Err(Refusal::NoReload(caller.clone())),
    }
}
