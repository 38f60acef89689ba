//! The embedded EXP-compatible network.

mod settings;

pub use settings::{HubConsumerApp, HubDevice, HubSettings, HubUser};
