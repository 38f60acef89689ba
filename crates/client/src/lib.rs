#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod broadcast;
mod client;
mod connection;
mod content;
mod convert;
mod error;
mod event;
mod listen;
mod pull;
mod resume;
mod run;
pub mod socket_path;
mod status;

pub use client::{ApiAnswer, Client, EventStream};
pub use content::{Content, ContentHead};
pub use error::{ClientError, ExpError, Refusal};
pub use event::{Broadcast, Event, Gap, ListenEvent, Subscription, Time};
pub use expd_domain::{Fate, GapReason, LinkState, Overflow, Secret, SubscriptionState};
pub use listen::{Listen, Position};
pub use pull::PullListener;
pub use resume::{ListenUpdate, ResumingListener};
pub use run::{Credentials, RunInstance, RunningInstance};
pub use socket_path::{SocketEnvironment, SocketPath, UnsafeFolder};
pub use status::{
    ChannelStatus, Counters, Identity, InstanceStatus, LinkEvent, LinkStatus, ListenerStatus,
    Status,
};
pub use tonic::Code;
