//! Processes of a run, and the kernel's counts for each.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// A process that communicates in lines. Killed on drop.
pub struct Process {
    child: Child,
    out: BufReader<ChildStdout>,
}

/// Resources that a process has spent, and those that it holds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// CPU time in seconds, user and system.
    pub cpu: f64,
    /// Voluntary context switches.
    pub sleeps: u64,
    /// Resident memory in KiB.
    pub rss: u64,
    /// Proportional set size (PSS) in KiB.
    pub pss: u64,
    /// Private (anonymous) memory in KiB.
    pub anonymous: u64,
}

impl Process {
    /// Starts this benchmark in another role.
    pub fn role(arguments: &[&str]) -> Self {
        Self::start(&std::env::current_exe().unwrap(), arguments)
    }

    /// Starts a program.
    pub fn start(program: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out }
    }

    /// Reads the process's next line.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Sends the process a line.
    pub fn tell(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    pub fn spent(&self) -> Spent {
        let folder = format!("/proc/{}", self.child.id());
        let mut spent = Spent {
            cpu: processor_time(self.child.id()),
            ..Spent::default()
        };
        for task in fs::read_dir(format!("{folder}/task")).unwrap() {
            // A thread may have ended since it was listed.
            let status = task.unwrap().path().join("status");
            let status = fs::read_to_string(status).unwrap_or_default();
            spent.sleeps += field(&status, "voluntary_ctxt_switches:");
        }
        let memory = fs::read_to_string(format!("{folder}/smaps_rollup"))
            .unwrap_or_else(|e| panic!("{e}; expd's memory is its own: run this as root"));
        spent.rss = field(&memory, "Rss:");
        spent.pss = field(&memory, "Pss:");
        spent.anonymous = field(&memory, "Anonymous:");
        spent
    }
}

/// CPU time of a process so far in seconds, user and system.
#[must_use]
pub fn processor_time(pid: u32) -> f64 {
    let mut seconds = 0.0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        // A thread may have ended since it was listed.
        let Ok(scheduled) = fs::read_to_string(task.unwrap().path().join("schedstat")) else {
            continue;
        };
        let nanoseconds: f64 = scheduled.split(' ').next().unwrap().parse().unwrap();
        seconds += nanoseconds / 1e9;
    }
    seconds
}

impl Drop for Process {
    fn drop(&mut self) {
        // Either fails only if it has already ended.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}
