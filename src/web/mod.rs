//! The door for pages: the protocol of EXP's SDKs on a loopback address.
//!
//! A web page cannot open a Unix socket. It names the door as its SDK's host, logs in as one of the
//! apps in the settings, and shares the connection of an instance: its channels are the router's,
//! its calls the bridge's, its rights those of the access rules about its app. EXP's token stays in
//! the daemon; a page has one of the door's own.
//!
//! Promises: nothing is lost in silence. What a page's channels received since it was last there is
//! delivered when it subscribes again; what cannot be delivered is told by closing the transport
//! and refusing the next handshake once, so that the SDK says `offline`, then `online`.
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
