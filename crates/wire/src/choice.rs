//! The choices of how a socket is opened, as the settings name them.

/// `transport`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransportChoice {
    /// WebSocket, or polling where that is blocked.
    #[default]
    Auto,
    /// WebSocket alone.
    Websocket,
    /// HTTP long polling alone.
    Polling,
}

/// `protocol`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProtocolChoice {
    /// Told from the server's handshake.
    #[default]
    Auto,
    /// Engine.IO 3 (Socket.IO 1 and 2).
    V3,
    /// Engine.IO 4 (Socket.IO 3 and later).
    V4,
}

/// `socket_library`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SocketLibrary {
    /// Our own, for every generation and transport. Payloads go through it to the letter.
    #[default]
    Own,
    /// The `rust_socketio` crate, for generation 4 over a direct WebSocket; our own elsewhere.
    RustSocketio,
}
