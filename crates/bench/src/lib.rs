//! Parts that the benchmarks share: the measured program, the processes of a run, a network that
//! feeds them, streams that count what arrives, a program that measures the effect of others on it,
//! and the folders of results.
//!
//! `EXPD_BINARY` names the program; otherwise each benchmark builds it, with the profile that its
//! page in `docs/` names.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_sign_loss,
    reason = "a measurement ends where it cannot begin"
)]

pub mod account;
pub mod daemon;
pub mod load;
pub mod network;
pub mod process;
pub mod stream;
pub mod victim;

use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the repository.
#[must_use]
pub fn repository() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .nth(2)
        .expect("crates/bench lies two folders deep")
}

/// The program `expd`: the one that `EXPD_BINARY` names, or one that cargo builds now with this
/// profile.
///
/// # Panics
/// Cargo cannot build it.
#[must_use]
pub fn program(profile: &str) -> PathBuf {
    if let Some(path) = std::env::var_os("EXPD_BINARY") {
        return path.into();
    }
    let built = Command::new(env!("CARGO"))
        .current_dir(repository())
        .args([
            "build",
            "--locked",
            "--quiet",
            "--package",
            "expd",
            "--bin",
            "expd",
        ])
        .args(["--profile", profile])
        .status();
    let built = built.expect("cargo does not start");
    assert!(built.success(), "cargo did not build expd");
    // Cargo puts builds of the profile `bench` where `release` goes.
    let folder = match profile {
        "bench" => "release",
        other => other,
    };
    target().join(folder).join("expd")
}

/// Cargo's target folder: this benchmark is in `target/release/deps`.
#[must_use]
pub fn target() -> PathBuf {
    let here = std::env::current_exe().expect("no path of this process");
    let target = here.ancestors().nth(3);
    target
        .expect("a benchmark lies three folders deep")
        .to_owned()
}

/// An HTTP client that uses no proxy.
#[must_use]
pub fn http_client() -> reqwest::Client {
    // The library has no crypto provider, and needs one even without TLS. It may be installed
    // already.
    tokio_rustls::rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    reqwest::Client::builder().no_proxy().build().unwrap()
}
