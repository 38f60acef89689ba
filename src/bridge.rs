//! One identity behind one handle, which every server calls.
//!
//! A bridge checks a call against the network's rules and passes it on: up to EXP over HTTP, or
//! down to the router for a listener. Its only state is the queue of broadcasts that wait for the
//! connection.

mod assembly;
mod bridges;
mod broadcast;
mod configured;
mod content;
mod error;
mod handle;
mod runner;
mod tasks;
mod waiting;

pub use assembly::SharedParts;
pub use bridges::Bridges;
pub use broadcast::{BroadcastRequest, WhenOffline};
pub use configured::{AppliedInstances, ConfiguredInstances, InstanceError, PreparedInstances};
pub use content::UserContent;
pub use error::BridgeError;
pub use handle::{Bridge, OnBehalf};
pub use runner::{InstanceRunner, NewInstance, RunnerError, RunningInstance};
pub use tasks::{InstanceSpawner, InstanceTasks};
pub use waiting::OfflineQueue;
