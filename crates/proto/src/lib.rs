//! The gRPC contract `expd.v1` and the standard health service, generated from `proto/`, whose
//! comments document them.
//!
//! The generated code is committed, so that building this crate generates nothing. After a change
//! of the contract, `UPDATE=1 cargo test -p expd-proto` regenerates it; without the variable, the
//! same test fails if the code is stale.
#![allow(clippy::pedantic)]

// Compiles and runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

// Included rather than modules: `rustfmt` leaves included text as generated.
include!("generated/expd.v1.rs");

/// `grpc.health.v1`.
pub mod health {
    include!("generated/grpc.health.v1.rs");
}

/// Descriptor set of both, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!("generated/expd.v1.bin");

/// Messages with secrets: their `Debug` shows nothing, so that no log can.
macro_rules! without_secrets {
    ($($message:ident),*) => {
        $(impl std::fmt::Debug for $message {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($message)).finish_non_exhaustive()
            }
        })*
    };
}

without_secrets!(DeviceCredentials, UserCredentials, ConsumerAppCredentials);
