//! Reflection, v1 and v1alpha, built on first use.
//!
//! The decoded descriptors take 0.3 MB, and most installations never use them.

use std::sync::{Arc, OnceLock};

use axum::body::Body;
use axum::extract::State;
use axum::routing::any;
use tonic::service::Routes;
use tonic_reflection::server::{Builder, Error};
use tower::ServiceExt as _;

use super::error;
use expd_proto as proto;

/// Limit of a request in bytes. It names one symbol or file, which the library quotes in full where
/// it is unknown.
const LONGEST_REQUEST: usize = 512;

type Made = Arc<OnceLock<Result<axum::Router, Error>>>;

/// The routes of both versions.
pub(super) fn routes() -> axum::Router {
    axum::Router::new()
        .route("/grpc.reflection.v1.ServerReflection/{method}", any(answer))
        .route(
            "/grpc.reflection.v1alpha.ServerReflection/{method}",
            any(answer),
        )
        .with_state(Made::default())
}

async fn answer(State(made): State<Made>, request: http::Request<Body>) -> http::Response<Body> {
    match made.get_or_init(services) {
        Ok(services) => match services.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        },
        // Cannot happen with the built-in descriptors, which the tests decode.
        Err(error) => error::internal(format_args!(
            "cannot read the built-in descriptors: {error}"
        ))
        .into_http(),
    }
}

fn services() -> Result<axum::Router, Error> {
    let builder = || {
        Builder::configure()
            .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
            // Each version lists both, so that a client sees the choice.
            .include_reflection_service(false)
            .register_encoded_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(
                tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
            )
    };
    let v1 = builder().build_v1()?;
    let v1alpha = builder().build_v1alpha()?;
    Ok(Routes::new(v1.max_decoding_message_size(LONGEST_REQUEST))
        .add_service(v1alpha.max_decoding_message_size(LONGEST_REQUEST))
        .into_axum_router())
}
