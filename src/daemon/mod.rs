//! The daemon: puts the rooms together, starts them in order, and stops them in order.
//!
//! [`serve()`] is a function of settings, listeners and a shutdown, so that tests start it in
//! process; [`run()`] adds what belongs to a process: signals, the log, the service manager.

mod banner;
mod error;
mod file_stamp;
mod instances;
mod listeners;
mod metrics;
mod notifications;
mod open_files;
mod options;
mod reload;
mod reload_requests;
mod run;
mod running;
mod serve;
mod standby;
mod start_attempts;
mod task_group;

pub use error::DaemonError;
pub use listeners::Listeners;
pub use options::ServeOptions;
pub use run::{RunError, run, runtime};
pub use running::RunningDaemon;
pub use serve::{ServeParts, serve};
