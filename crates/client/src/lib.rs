#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod address;
mod api;
mod api_error;
mod broadcast;
mod channel;
mod client;
mod connection;
mod content;
mod content_node;
mod context;
mod convert;
mod data;
mod error;
mod event;
mod events;
mod exp;
mod explain;
mod listen;
mod listener;
mod own;
mod place;
mod pull;
mod query;
pub mod resource;
mod resume;
mod run;
pub mod socket_path;
mod status;
mod transport;

pub use api_error::ApiError;
pub use channel::{ChannelHandle, SendBroadcast};
pub use client::{ApiAnswer, Client, EventStream};
pub use content::{Content, ContentHead};
pub use content_node::ContentNode;
pub use data::{DEFAULT_GROUP, Data, DataItems};
pub use error::{ClientError, ExpError, Refusal};
pub use event::{Broadcast, Event, Gap, ListenEvent, Subscription, Time};
pub use events::{InstanceEvent, InstanceEvents};
pub use exp::{Exp, StartOptions};
pub use expd_domain::{
    BroadcastId, Channel, ChannelId, Fate, GapReason, IdentityKind, LinkState, Overflow, Payload,
    Secret, SubscriptionState,
};
pub use explain::{DecidingRule, Explain, Explanation, MissedRule, Subject};
pub use listen::{Listen, Position};
pub use listener::{Listener, OpenListener, Received, ReceivedBroadcast};
pub use place::Zone;
pub use pull::PullListener;
pub use query::Query;
pub use resource::{
    Collection, Device, Document, Experience, Feed, Found, Location, Resource, Thing, User,
};
pub use resume::{ListenUpdate, ResumingListener};
pub use run::{Credentials, RunInstance, RunningInstance};
pub use serde_json::{Value, json};
pub use socket_path::{SocketEnvironment, SocketPath, UnsafeFolder};
pub use status::{
    ChannelStatus, Counters, Identity, InstanceStatus, LimitHit, LinkEvent, LinkStatus,
    ListenerStatus, Status, WebAppStatus, WebOriginStatus, WebPageStatus,
};
pub use tonic::Code;
