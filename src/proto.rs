//! The gRPC contract `expd.v1`, generated from `proto/`, whose comments are its documentation.
#![allow(missing_docs, clippy::pedantic)]

tonic::include_proto!("expd.v1");

/// The contract as a descriptor set, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/expd.v1.bin"));
