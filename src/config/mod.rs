//! Settings: defaults, then the file, then the environment, then systemd's credentials directory;
//! read and checked as a whole before anything is bound, with every mistake named.
//!
//! [`load()`] is a function of its [`Source`], so that tests need neither a process's environment
//! nor files in `/etc`. The way down:
//!
//! - `load` and `reload` (may these settings replace those in force?) are the entry points;
//! - `access`, `daemon`, `hub`, `instance` and `web` read and check one section each;
//! - `section` and `secret` give them typed values from the `reader`, which merges all layers;
//! - `host` reads base URLs, those of programs too;
//! - `file` and `layer` bring the sources into one form, with the origin of every value;
//! - `named_socket` reads the path of the socket alone, for clients that look for the daemon;
//! - `keys` is the table of everything that can be set; `settings` has the types of the result.

mod access;
mod applies;
mod daemon;
mod digests;
mod embedded;
mod file;
mod host;
mod hub;
mod instance;
mod keys;
mod layer;
mod load;
mod mistake;
mod named_socket;
mod reader;
mod reference;
mod reload;
mod route;
mod secret;
mod section;
pub mod settings;
mod state_dir;
#[cfg(test)]
mod tests;
mod text_file;
mod tokens;
mod units;
mod web;
mod wipe;

pub use applies::needs_restart;
pub use digests::ValueDigests;
pub use embedded::{embed, follow, local_url};
pub use expd_wire::{ProtocolChoice, SocketLibrary, TransportChoice};
pub use host::{ApiHost, HostFault};
pub use load::{DEFAULT_FILE, Loaded, Source, load};
pub use mistake::{ConfigErrors, Mistake, SettingOrigin};
pub use named_socket::named_socket;
pub use reference::reference;
pub use settings::{
    BroadcastChannelForm, ChannelIdSpelling, Credentials, DaemonSettings, HostsChoice,
    InstanceSettings, Limits, LogFormat, LogLevel, Settings, UserLimits, WebApp, WebSettings,
};
pub use state_dir::{StateEnvironment, hub_state_dir, state_dir};
pub use units::{UnitError, format_duration, format_size, parse_duration, parse_size};
