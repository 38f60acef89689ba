//! Connected programs. A program is gone once its last connection has closed.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::access::Caller;
use crate::router::Program;

/// Every program with a connection, except callers over TCP, whose processes are unknown.
#[derive(Clone)]
pub(super) struct Programs {
    connections: Arc<Mutex<HashMap<Program, usize>>>,
    gone: Arc<dyn Fn(Program) + Send + Sync>,
}

impl Programs {
    /// An empty set; `gone` runs for each program whose last connection has closed.
    pub(super) fn new(gone: Arc<dyn Fn(Program) + Send + Sync>) -> Self {
        let connections = Arc::default();
        Self { connections, gone }
    }

    /// Counts a connection until the guard is dropped.
    pub(super) fn enter(&self, caller: &Caller) -> Option<Connected> {
        let program = program_of(caller)?;
        *self.lock().entry(program).or_default() += 1;
        let home = self.clone();
        Some(Connected { home, program })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Program, usize>> {
        // The value is consistent after each statement.
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Programs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Programs").field(&self.connections).finish()
    }
}

/// Guard of one connection of a program.
#[derive(Debug)]
pub(super) struct Connected {
    home: Programs,
    program: Program,
}

impl Drop for Connected {
    fn drop(&mut self) {
        let mut connections = self.home.lock();
        let Some(count) = connections.get_mut(&self.program) else {
            return;
        };
        *count -= 1;
        if *count > 0 {
            return;
        }
        connections.remove(&self.program);
        drop(connections);
        (self.home.gone)(self.program);
    }
}

/// The calling process; none over TCP.
pub(in crate::rpc) fn program_of(caller: &Caller) -> Option<Program> {
    caller.peer().map(|peer| Program {
        // The kernel's process IDs are positive.
        pid: u32::try_from(peer.pid).unwrap_or(0),
        uid: peer.uid,
    })
}
