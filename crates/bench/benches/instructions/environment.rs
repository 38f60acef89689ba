//! The environment: everything besides the code that counts depend on.

use std::process::Command;

use serde::{Deserialize, Serialize};

/// Environment of a count. In another one the count differs a little without any change of the
/// code.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// The compiler.
    pub rustc: String,
    /// The C library, whose allocator and memory copying are counted, too.
    pub libc: String,
    /// The processor's architecture, and whether it has AVX2: copying and parsing select their code
    /// by that.
    pub processor: String,
}

/// The environment of this machine.
pub fn here() -> Environment {
    // Cargo sets the variable for its children if it is configured.
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    Environment {
        rustc: said(&rustc, "--version"),
        libc: said("getconf", "GNU_LIBC_VERSION"),
        processor: format!("{}{}", std::env::consts::ARCH, vectors()),
    }
}

fn said(command: &str, argument: &str) -> String {
    let output = Command::new(command).arg(argument).output();
    let output = output.unwrap_or_else(|error| panic!("{command} {argument}: {error}"));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[cfg(target_arch = "x86_64")]
fn vectors() -> &'static str {
    if is_x86_feature_detected!("avx2") {
        " with AVX2"
    } else {
        ""
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn vectors() -> &'static str {
    ""
}
