//! The gRPC contract `expd.v1` and the standard service of health, generated from `proto/`, whose
//! comments are their documentation.
//!
//! The generated code is committed, so that nobody who builds this needs to generate it. After a
//! change of the contract, `UPDATE=1 cargo test -p expd-proto` writes it anew; the same test fails
//! where that was forgotten.
#![allow(clippy::pedantic)]

// The example of the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

// Included and not modules: `rustfmt` leaves the text to its generator.
include!("generated/expd.v1.rs");

/// `grpc.health.v1`.
pub mod health {
    include!("generated/grpc.health.v1.rs");
}

/// Both as a descriptor set, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!("generated/expd.v1.bin");

/// Messages with secrets, which no log may show.
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
