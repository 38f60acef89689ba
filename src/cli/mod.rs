//! The command line: what can be typed, one file a subcommand, and what each way to end means for the exit status.
//!
//! JSON goes to standard output, one document a line; words for people go to standard error. All but `serve`, `hub` and the
//! commands that need no daemon go through [`expd_client`].

mod api;
mod broadcast;
mod channel_id;
mod check_config;
mod completions;
mod hub;
mod listen;
mod output;
mod page;
mod password;
mod payload;
mod respond;
mod serve;
mod status;
mod stop;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::ConfigErrors;
use crate::logging;
use expd_client::ClientError;
use expd_domain::Channel;
use expd_hub::HubError;
use expd_hub::operator::OperatorError;

/// A local daemon that shares one EXP network connection with every program on this host.
///
/// `expd serve` keeps the connection and offers it on a Unix socket, over gRPC; the other commands talk to that daemon. New
/// here? `expd serve --embedded` brings its own EXP network along and tells what to type next.
///
/// Exit status: 0 done, 1 failed, 2 wrong usage, 3 daemon not reachable.
#[derive(Debug, Parser)]
#[command(
    name = "expd",
    bin_name = "expd",
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  expd serve --embedded                              a daemon and a network to try things on
  expd listen menu                                   hear what is broadcast on the channel `menu`
  expd broadcast menu hi '{\"table\": 4}' --timeout 2s   send an event, print what is responded"
)]
pub struct Cli {
    /// The daemon's socket. Without it: `$EXPD_SOCKET`, else `/run/expd/expd.sock` for root or when it exists, else
    /// `$XDG_RUNTIME_DIR/expd/expd.sock`, else `/tmp/expd-UID/expd.sock`.
    #[arg(long, global = true, value_name = "PATH", help_heading = "The daemon")]
    socket: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Hub(hub::Hub),
    Status(status::Status),
    Listen(listen::Listen),
    Broadcast(broadcast::Broadcast),
    Respond(respond::Respond),
    Api(api::Api),
    ChannelId(channel_id::ChannelId),
    CheckConfig(check_config::CheckConfig),
    Completions(completions::Completions),
}

/// The flags that, with its name, make a channel.
#[derive(Debug, Args)]
struct ChannelFlags {
    /// The channel's system side, on which EXP itself sends; for listening only
    #[arg(long)]
    system: bool,
    /// The channel that is open to consumer apps
    #[arg(long)]
    consumer: bool,
}

impl ChannelFlags {
    fn channel(&self, name: &str) -> Channel {
        Channel {
            name: name.to_owned(),
            system: self.system,
            consumer: self.consumer,
        }
    }
}

/// Which configured identity to use.
#[derive(Debug, Args)]
struct Instance {
    /// The configured identity to use; the default one when not given
    #[arg(
        id = "instance",
        long = "instance",
        value_name = "NAME",
        default_value = "",
        hide_default_value = true,
        help_heading = "The daemon"
    )]
    name: String,
}

/// Why a command ends without having done what it was told.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The daemon could not be reached, or answered with an error.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The embedded network could not start or go on.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// The embedded network refused its operator, or was not there.
    #[error(transparent)]
    Operator(#[from] OperatorError),
    /// What was typed makes no sense.
    #[error("{0}")]
    Usage(String),
    /// What was typed names something that cannot be read.
    #[error("cannot read {what}: {source}")]
    Input { what: String, source: io::Error },
    /// Standard output takes no more.
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
    /// Whoever read standard output has seen enough (`| head -1`): no failure at all.
    #[error("nobody reads standard output any more")]
    ReaderLeft,
    /// The command was carried out and came to nothing, for the reason told.
    #[error("{0}")]
    Failed(String),
    /// The operating system refuses what every program needs.
    #[error("cannot {what}: {source}")]
    System {
        what: &'static str,
        source: io::Error,
    },
}

impl Failure {
    fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::ReaderLeft => 0,
            Self::Usage(_) | Self::Client(ClientError::Request(_)) => 2,
            Self::Client(ClientError::NotReachable { .. } | ClientError::UnsafeFolder(_)) => 3,
            Self::Client(_)
            | Self::Hub(_)
            | Self::Operator(_)
            | Self::Input { .. }
            | Self::Output(_)
            | Self::Failed(_)
            | Self::System { .. } => 1,
        })
    }
}

/// Parses a command line, carries it out, and says how it went.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(told) => {
            // Help, a version, or a usage error. Where even that cannot be written there is nobody left to tell.
            let _unwritten = told.print();
            return ExitCode::from(u8::try_from(told.exit_code()).unwrap_or(2));
        }
    };
    let done = carry_out(cli);
    logging::flush();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::ReaderLeft) => Failure::ReaderLeft.exit_code(),
        Err(failure) => {
            output::error(&failure);
            failure.exit_code()
        }
    }
}

fn carry_out(cli: Cli) -> Result<(), Failure> {
    let socket = cli.socket;
    match cli.command {
        Command::Serve(serve) => serve.run(socket),
        Command::Hub(hub) => hub.run(),
        Command::CheckConfig(check) => check.run(),
        Command::Status(status) => on_runtime(Box::pin(status.run(socket))),
        Command::Listen(listen) => on_runtime(Box::pin(listen.run(socket))),
        Command::Broadcast(broadcast) => on_runtime(Box::pin(broadcast.run(socket))),
        Command::Respond(respond) => on_runtime(Box::pin(respond.run(socket))),
        Command::Api(api) => on_runtime(Box::pin(api.run(socket))),
        Command::ChannelId(channel_id) => on_runtime(Box::pin(channel_id.run())),
        Command::Completions(completions) => on_runtime(Box::pin(completions.run())),
    }
}

/// Names every mistake in the settings, and gives what to end with.
fn told_of_settings(errors: &ConfigErrors) -> Failure {
    for mistake in errors.mistakes() {
        output::error(mistake);
    }
    Failure::Failed(match errors.mistakes().len() {
        1 => "1 mistake in the settings".to_owned(),
        count => format!("{count} mistakes in the settings"),
    })
}

/// A command that was begun. Boxed, or the daemon would have room for each of them on its stack for as long as it runs.
type Running<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + 'a>>;

/// Runs what serves others, on all cores.
fn start(server: Running<'_>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(cannot_start)?;
    let result = runtime.block_on(server);
    // What it had running has ended in order, or had its time.
    runtime.shutdown_background();
    result
}

fn cannot_start(source: io::Error) -> Failure {
    Failure::System {
        what: "start the runtime",
        source,
    }
}

/// Runs a client's command on this one thread.
fn on_runtime(command: Running<'_>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(cannot_start)?;
    let result = runtime.block_on(command);
    // A write to a standard output that nobody reads may still hang in its thread; the end must not wait for it.
    runtime.shutdown_background();
    result
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_free_of_contradictions() {
        Cli::command().debug_assert();
    }
}
