//! Lines of a child process, each of which comes before the deadline.

use std::io::{BufRead as _, BufReader, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::DEADLINE;

/// Reads the lines of a pipe in a thread, which ends with the process that writes them.
pub(crate) fn read_on(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    lines
}

/// Lines of a pipe as they come.
#[derive(Debug)]
pub struct Lines {
    lines: Receiver<String>,
    /// All lines that were taken, for the words of a failure.
    taken: Vec<String>,
}

impl Lines {
    pub fn of(pipe: impl Read + Send + 'static) -> Self {
        Self {
            lines: read_on(pipe),
            taken: Vec::new(),
        }
    }

    /// The next line, or none where the process closed the pipe; panics where neither comes.
    pub fn next_or_end(&mut self) -> Option<String> {
        self.next_within(DEADLINE)
    }

    /// The next line.
    pub fn line(&mut self) -> String {
        let line = self.next_or_end();
        line.unwrap_or_else(|| panic!("ended after {:#?}", self.taken))
    }

    /// The lines up to one with this text, that one included.
    pub fn until(&mut self, text: &str) -> Vec<String> {
        let end = Instant::now() + DEADLINE;
        let before = self.taken.len();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Some(line) = self.next_within(left) else {
                panic!("ended without {text:?}, but with {:#?}", self.taken);
            };
            if line.contains(text) {
                return self.taken.split_off(before);
            }
        }
    }

    fn next_within(&mut self, within: Duration) -> Option<String> {
        match self.lines.recv_timeout(within) {
            Ok(line) => {
                self.taken.push(line.clone());
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!(
                "no further line within {DEADLINE:?}, after {:#?}",
                self.taken
            ),
        }
    }
}
