//! The gRPC contract `expd.v1` and the standard service of health, generated from `proto/`, whose
//! comments are their documentation.
#![allow(clippy::pedantic)]

tonic::include_proto!("expd.v1");

/// `grpc.health.v1`.
pub mod health {
    tonic::include_proto!("grpc.health.v1");
}

/// Both as a descriptor set, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/expd.v1.bin"));

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
