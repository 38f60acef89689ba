//! Runs one path under callgrind and reads its counts.

use std::hint::black_box;
use std::process::Command;

/// First argument of the measured process; the second is the path's name.
pub const RUN: &str = "run";

/// Runs `work` and has callgrind count it.
///
/// callgrind finds it by name, so it is neither inlined, nor generic, nor does it end in a tail
/// call to `work`.
#[inline(never)]
pub fn counted(work: &mut dyn FnMut()) {
    work();
    black_box(());
}

/// The instructions of one run of the path.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts are far below what a float holds exactly"
)]
pub fn count(name: &str) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("callgrind.out");
    let output = Command::new("valgrind")
        // The environment is on the stack, so its size would shift addresses.
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .args(["--tool=callgrind", "--collect-atstart=no"])
        .arg("--toggle-collect=*callgrind*counted*")
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe().unwrap())
        .args([RUN, name])
        .output()
        .expect("valgrind counts the instructions; apt-get install valgrind");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} failed:\n{said}");
    let text = std::fs::read_to_string(&out).unwrap();
    let total: u64 = text
        .lines()
        .find_map(|line| line.strip_prefix("totals: "))
        .and_then(|total| total.trim().parse().ok())
        .expect("callgrind's file ends with its totals");
    assert!(total > 0, "{name}: nothing was counted:\n{said}");
    total as f64
}
