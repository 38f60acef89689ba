//! Compiles the contract in `proto/`; protox does it in Rust, so that no `protoc` need be
//! installed.

use std::error::Error;
use std::path::PathBuf;

const PROTOS: [&str; 4] = [
    "expd/v1/network.proto",
    "expd/v1/api.proto",
    "expd/v1/daemon.proto",
    "grpc/health/v1/health.proto",
];

/// Messages with secrets: their `Debug` is written by hand, and shows none.
const SECRETS: [&str; 3] = [
    ".expd.v1.DeviceCredentials",
    ".expd.v1.UserCredentials",
    ".expd.v1.ConsumerAppCredentials",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler
        .include_source_info(true)
        .include_imports(true)
        .open_files(PROTOS)?;
    let descriptors = compiler.file_descriptor_set();
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    // For reflection; the comments stay inside, so that clients can show them.
    std::fs::write(
        out.join("expd.v1.bin"),
        compiler.encode_file_descriptor_set(),
    )?;
    tonic_prost_build::configure()
        .build_transport(false)
        // Secrets, which must not reach a log.
        .skip_debug(SECRETS)
        // Taken from the message without a copy.
        .bytes(".expd.v1.FetchChunk")
        .bytes(".expd.v1.ApiResponse")
        .compile_fds(descriptors)?;
    Ok(())
}
