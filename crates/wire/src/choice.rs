//! Settings for opening a socket.

/// Setting `transport`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransportChoice {
    /// WebSocket, or long polling where WebSocket is blocked.
    #[default]
    Auto,
    /// WebSocket alone.
    Websocket,
    /// HTTP long polling alone.
    Polling,
}

/// Setting `protocol`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProtocolChoice {
    /// Detected from the server's handshake.
    #[default]
    Auto,
    /// Engine.IO 3 (Socket.IO 1 and 2).
    V3,
    /// Engine.IO 4 (Socket.IO 3 and later).
    V4,
}

/// Setting `socket_library`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SocketLibrary {
    /// expd's own, for both generations and both transports. Payloads pass through it unchanged.
    #[default]
    Own,
    /// The `rust_socketio` crate, for generation 4 over a direct WebSocket; expd's own elsewhere.
    RustSocketio,
}
