//! The door for pages: the protocol of EXP's SDKs on a loopback address.
//!
//! A web page cannot open a Unix socket. It names the door as its SDK's host, logs in as one of the
//! apps in the settings, and shares the connection of an instance: the router serves its channels,
//! the bridge makes its calls, and the access rules about its app decide. EXP's token stays in the
//! daemon; pages have tokens of the door.
//!
//! Promises: nothing is lost silently. Events that a page's channels received since its last socket
//! are delivered when it subscribes again. If they cannot be, the transport is closed and the next
//! handshake refused once, so that the SDK says `offline`, then `online`.
//!
//! The files, from the top: [`server`] binds and serves; [`routes`] has the paths; [`origin`] and
//! [`cors`] guard every request; [`auth`], [`messages`], [`api`], [`content`] and [`handshake`]
//! answer; [`pairing`] is the one page that the door brings itself; [`page`] is the task of one
//! live socket, with its [`subscriptions`], each of them a [`subscription`], which become
//! [`packet`]s, a [`hold`] from a refresh on, and an [`end`]; [`caller`] is the login of a request.
//! Below them: [`state`], [`logins`] (what each login has received), [`tokens`], [`apps`],
//! [`room`], [`refusal`].

mod api;
mod apps;
mod auth;
mod caller;
mod content;
mod cookie;
mod cors;
mod end;
mod error;
mod handshake;
mod hold;
mod logins;
mod messages;
mod origin;
mod packet;
mod page;
mod pairing;
mod refusal;
mod room;
mod routes;
mod server;
mod state;
mod subscription;
mod subscriptions;
mod tokens;

pub use server::{WebParts, WebServer};
