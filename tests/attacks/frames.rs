//! Connections that try to stall the daemon: floods of calls, of control frames and of resets.
