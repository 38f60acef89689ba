//! Sockets.
pub mod accounts;
