//! The transports of packets: WebSocket and HTTP long polling.
//!
//! A [`Transport`] belongs to one task, which polls it. It keeps outgoing packets until they are
//! sent, and of incoming data only the body or frame that is being read.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll};

mod address;
mod cookies;
mod dial;
mod failure;
mod framing;
mod pace;
mod packets;
mod polling;
mod refusal;
mod websocket;

pub(super) use address::Address;
pub(super) use failure::OpenFailure;
#[cfg(fuzzing)]
pub(super) use framing::{Packets, join};
pub(super) use packets::{ConnectionLost, OUTBOX, Received, Text, ToSend};
pub(super) use polling::Polling;
pub(super) use refusal::{Rejection, error_message, redact};
pub(super) use websocket::WebSocket;

/// An open transport.
#[derive(Debug)]
pub(super) enum Transport {
    /// WebSocket frames on a connection that was dialled here.
    WebSocket(Box<WebSocket>),
    /// One pending request for receiving, one at a time for sending.
    Polling(Box<Polling>),
}

impl Transport {
    /// Appends a packet to the outbox; [`Transport::poll`] sends it.
    pub fn send(&mut self, packet: ToSend) -> Result<(), ConnectionLost> {
        let outbox = self.outbox();
        if outbox.len() >= OUTBOX {
            return Err(ConnectionLost(format!(
                "the server accepted none of the last {OUTBOX} packets"
            )));
        }
        outbox.push_back(packet);
        Ok(())
    }

    fn outbox(&mut self) -> &mut VecDeque<ToSend> {
        match self {
            Self::WebSocket(websocket) => websocket.outbox(),
            Self::Polling(polling) => polling.outbox(),
        }
    }

    /// Sends from the outbox, and receives where `read` is set. Cancel-safe.
    pub fn poll(
        &mut self,
        cx: &mut Context<'_>,
        read: bool,
    ) -> Poll<Result<Received, ConnectionLost>> {
        match self {
            Self::WebSocket(websocket) => websocket.poll(cx, read),
            Self::Polling(polling) => polling.poll(cx, read),
        }
    }

    /// Waits for the next packet. Cancel-safe.
    pub async fn receive(&mut self, read: bool) -> Result<Received, ConnectionLost> {
        poll_fn(|cx| self.poll(cx, read)).await
    }

    /// Sends the outbox, then closes. Takes as long as the server lets it; the caller sets the
    /// bound.
    pub async fn close(self) {
        match self {
            Self::WebSocket(websocket) => websocket.close().await,
            Self::Polling(polling) => polling.close().await,
        }
    }
}
