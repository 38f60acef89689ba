//! Compiles the contract in `proto/`; protox does it in Rust, so that no `protoc` need be installed. And chooses how to link.

use std::error::Error;
use std::path::PathBuf;
use std::process::Command;

const PROTOS: [&str; 3] = [
    "expd/v1/network.proto",
    "expd/v1/api.proto",
    "expd/v1/daemon.proto",
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
    tonic_prost_build::configure().compile_fds(descriptors)?;
    if glibc().is_some_and(|version| version >= (2, 36)) {
        // The 36,000 addresses that are set when the program starts, in 20 KB instead of 870: so much less of the binary is
        // kept and read. An older C library would not start the program, so a build on one, or for another machine, goes without.
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    Ok(())
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
