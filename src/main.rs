//! Parses the command line, calls one function, and gives its exit status.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    expd::cli::run(std::env::args_os())
}
