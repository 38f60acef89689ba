//! Parses the command line, calls one function, and gives its exit status.
#![forbid(unsafe_code)]

use std::process::ExitCode;

// Configured in `.cargo/config.toml`.
#[cfg(all(target_arch = "x86_64", feature = "jemalloc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    expd::cli::run(std::env::args_os())
}
