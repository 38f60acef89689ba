//! Runtimes of the commands.

use std::io;
use std::pin::Pin;

use tokio::runtime::Builder;

use super::failure::Failure;

/// Future of a command. Boxed, so that the largest command does not set the stack size of all.
type CommandFuture<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + 'a>>;

/// Runs a server on all cores.
pub(super) fn run_server(server: CommandFuture<'_>) -> Result<(), Failure> {
    run(&mut Builder::new_multi_thread(), server)
}

/// Runs a client on this thread.
pub(super) fn run_client(client: CommandFuture<'_>) -> Result<(), Failure> {
    run(&mut Builder::new_current_thread(), client)
}

fn run(builder: &mut Builder, command: CommandFuture<'_>) -> Result<(), Failure> {
    let runtime = builder.enable_all().build().map_err(cannot_start)?;
    let result = runtime.block_on(command);
    // A write to a standard output that nobody reads may block its thread forever; the end of the
    // command must not wait for it.
    runtime.shutdown_background();
    result
}

fn cannot_start(source: io::Error) -> Failure {
    Failure::System {
        what: "start the runtime",
        source,
    }
}
