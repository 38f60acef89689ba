//! Compiles the contract in `proto/`; protox does it in Rust, so that no `protoc` need be installed. And chooses how to link.

use std::error::Error;
use std::path::PathBuf;
use std::process::Command;

const PROTOS: [&str; 4] = [
    "expd/v1/network.proto",
    "expd/v1/api.proto",
    "expd/v1/daemon.proto",
    "grpc/health/v1/health.proto",
];

/// Made by `benches/footprint/order.rs`.
const ORDER: &str = "link/idle.ld";

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
    tonic_prost_build::configure().compile_fds(descriptors)?;
    order();
    if glibc().is_some_and(|version| version >= (2, 36)) {
        // The 36,000 addresses that are set when the program starts, in 20 KB instead of 870: so much less of the binary is
        // kept and read. An older C library would not start the program, so a build on one, or for another machine, goes without.
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    Ok(())
}

/// Has the linker lay the functions side by side that an idle daemon runs. The kernel maps 64 KB around each that is touched, and they
/// would lie everywhere: 6 MB more of the program are in memory then.
fn order() {
    println!("cargo:rerun-if-changed={ORDER}");
    println!("cargo:rerun-if-env-changed=CARGO_ENCODED_RUSTFLAGS");
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|it| it == value);
    let flags = std::env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    // A linker of somebody's own choice may know no such scripts; without the mangling the names mean nothing.
    let understood = flags.contains("symbol-mangling-version=v0")
        && !["linker", "link-self-contained", "fuse-ld"]
            .iter()
            .any(|choice| flags.contains(choice));
    if understood && is("PROFILE", "release") && is("CARGO_CFG_TARGET_OS", "linux") {
        let folder = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo:rustc-link-arg-bins=-T{folder}/{ORDER}");
    }
}

/// The version of the C library, where the program is built for this very machine's.
fn glibc() -> Option<(u32, u32)> {
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|it| it == value);
    let target = std::env::var("TARGET").ok()?;
    if !is("HOST", &target)
        || !is("CARGO_CFG_TARGET_OS", "linux")
        || !is("CARGO_CFG_TARGET_ENV", "gnu")
    {
        return None;
    }
    let answer = Command::new("getconf")
        .arg("GNU_LIBC_VERSION")
        .output()
        .ok()?;
    let answer = String::from_utf8(answer.stdout).ok()?;
    let (major, minor) = answer.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
