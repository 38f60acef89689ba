//! The committed code matches the contract in `proto/`. After a change of the contract, `UPDATE=1
//! cargo test -p expd-proto` regenerates it.
//!
//! Programs that use the crate need neither `protoc` nor a build script, and a published crate
//! needs no file outside its folder. protox compiles the contract in Rust.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const PROTOS: [&str; 4] = [
    "expd/v1/network.proto",
    "expd/v1/api.proto",
    "expd/v1/daemon.proto",
    "grpc/health/v1/health.proto",
];

/// Messages with secrets. Their `Debug` is written by hand and shows nothing.
const SECRETS: [&str; 3] = [
    ".expd.v1.DeviceCredentials",
    ".expd.v1.UserCredentials",
    ".expd.v1.ConsumerAppCredentials",
];

fn crate_folder() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

/// Contents of `src/generated`, made from the contract.
fn generate() -> BTreeMap<String, Vec<u8>> {
    let out = tempfile::tempdir().unwrap();
    let mut compiler = protox::Compiler::new([crate_folder().join("../../proto")]).unwrap();
    compiler
        .include_source_info(true)
        .include_imports(true)
        .open_files(PROTOS)
        .unwrap();
    let descriptors = compiler.file_descriptor_set();
    // For reflection. The comments are included, so that clients can show them.
    let bytes = compiler.encode_file_descriptor_set();
    std::fs::write(out.path().join("expd.v1.bin"), bytes).unwrap();
    tonic_prost_build::configure()
        .build_transport(false)
        // Secrets must not reach a log.
        .skip_debug(SECRETS)
        // `Bytes` is taken from the message without a copy.
        .bytes(".expd.v1.FetchChunk")
        .bytes(".expd.v1.ApiResponse")
        .out_dir(out.path())
        .compile_fds(descriptors)
        .unwrap();
    files(out.path())
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read(entry.path()).unwrap())
        })
        .collect()
}

#[test]
fn the_committed_code_is_that_of_the_contract() {
    let committed = crate_folder().join("src/generated");
    let made = generate();
    if std::env::var_os("UPDATE").is_some() {
        for (name, bytes) in &made {
            std::fs::write(committed.join(name), bytes).unwrap();
        }
    }
    let there = files(&committed);
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&there), names(&made), "src/generated has other files");
    for (name, bytes) in &made {
        assert!(
            there.get(name) == Some(bytes),
            "src/generated/{name} is not what proto/ says; renew it with \
             `UPDATE=1 cargo test -p expd-proto`, and commit it"
        );
    }
}
