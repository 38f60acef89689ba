//! The command line: one file per command.
//!
//! JSON goes to standard output, one document per line; messages for people go to standard error.
//! Commands that need the daemon reach it through [`expd_client`].

mod access;
mod ages;
mod api;
mod broadcast;
mod bugreport;
mod calls;
mod channel_id;
mod check_config;
mod completions;
mod content;
mod daemon_socket;
mod data;
mod doctor;
mod editing;
mod failure;
mod flags;
mod hub;
mod json_text;
mod links;
mod listen;
mod listen_printer;
mod listen_streams;
mod listening;
mod manual;
mod output;
mod password;
mod payload;
mod pending;
mod programs;
mod redactor;
mod reload;
mod resources;
mod respond;
mod runtime;
mod serve;
mod service;
mod settings;
mod signals;
mod status;
mod status_page;
mod stop_signal;
mod system;
mod table;
mod terminal;
mod top;
mod unit_view;
mod wait_argument;
mod wait_online;
mod web;
mod zone;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, CommandFactory, FromArgMatches as _, Parser, Subcommand};

use crate::logging;
use daemon_socket::DaemonSocket;
use failure::Failure;
use resources::{Collection, Resources};
use runtime::run_client;

/// Shares one EXP network connection with every program on this host.
///
/// `expd serve` keeps the connection and offers it on a Unix socket, over gRPC; the other commands
/// talk to that daemon. To try it without an EXP account, run `expd serve --embedded`: it includes
/// an EXP network, and prints the next commands to try.
///
/// Exit status: 0 done, 1 failed, 2 wrong usage, 3 daemon not reachable, 4 not online, 5 refused
/// (nothing was sent), 6 unknown (it may have been sent).
#[derive(Debug, Parser)]
#[command(
    name = "expd",
    bin_name = "expd",
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  expd serve --embedded                              a daemon with its own test network
  expd listen menu                                   print the broadcasts on the channel `menu`
  expd broadcast menu hi '{\"table\": 4}' --timeout 2s   send an event, print the responses"
)]
struct Cli {
    /// Socket of the daemon [default: `$EXPD_SOCKET`, else `/run/expd/expd.sock` for root or if it
    /// exists, else `$XDG_RUNTIME_DIR/expd/expd.sock`, else `/tmp/expd-UID/expd.sock`]
    #[arg(long, global = true, value_name = "PATH", help_heading = "The daemon")]
    socket: Option<PathBuf>,
    /// Verbose output: the socket, and the time to connect; with `serve` and `hub` a log of every
    /// step, with payloads if given twice
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Hub(hub::Hub),
    Status(status::Status),
    WaitOnline(wait_online::WaitOnline),
    Top(top::Top),
    Doctor(doctor::Doctor),
    Access(access::Access),
    Reload(reload::Reload),
    #[command(name = "bugreport")]
    BugReport(bugreport::BugReport),
    Listen(listen::Listen),
    Broadcast(broadcast::Broadcast),
    Respond(respond::Respond),
    /// List, create, change, delete and watch devices
    Devices(resources::Resources),
    /// List, create, change, delete and watch things
    Things(resources::Resources),
    /// List, create, change, delete and watch experiences
    Experiences(resources::Resources),
    /// List, create, change, delete and watch locations
    Locations(resources::Resources),
    /// List, create, change, delete and watch feeds
    Feeds(resources::Resources),
    /// List, set, change, delete and watch data items
    Data(data::Data),
    Content(content::Content),
    Fling(signals::Fling),
    Identify(signals::Identify),
    Restart(signals::Restart),
    Api(api::Api),
    ChannelId(channel_id::ChannelId),
    CheckConfig(check_config::CheckConfig),
    Web(web::Web),
    Completions(completions::Completions),
    Manual(manual::Manual),
}

/// Parses a command line, runs the command, and returns its exit status.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    if terminal::is_serial() {
        anstream::ColorChoice::Never.write_global();
    }
    let parsed = command().try_get_matches_from(wait_argument::joined(arguments));
    let cli = match parsed.and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches)) {
        Ok(cli) => cli,
        Err(message) => {
            // Help, the version, or a usage error. A failure to print it has no reader.
            message.print().ok();
            return ExitCode::from(u8::try_from(message.exit_code()).unwrap_or(2));
        }
    };
    let done = dispatch(cli);
    logging::flush();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !matches!(
                failure,
                Failure::ReaderLeft | Failure::NotAllowed | Failure::Reported(_)
            ) {
                output::error(&failure);
            }
            failure.exit_code()
        }
    }
}

fn dispatch(cli: Cli) -> Result<(), Failure> {
    let socket = DaemonSocket {
        path: cli.socket,
        verbose: cli.verbose > 0,
    };
    match cli.command {
        Command::Serve(serve) => serve.run(socket.path, cli.verbose),
        Command::Hub(hub) => hub.run(cli.verbose),
        Command::CheckConfig(check) => check.run(),
        Command::Status(status) => run_client(Box::pin(status.run(socket))),
        Command::WaitOnline(wait) => run_client(Box::pin(wait.run(socket))),
        Command::Top(top) => run_client(Box::pin(top.run(socket))),
        Command::Doctor(doctor) => run_client(Box::pin(doctor.run(socket))),
        Command::Access(access) => run_client(Box::pin(access.run(socket))),
        Command::Reload(reload) => run_client(Box::pin(reload.run(socket))),
        Command::BugReport(report) => run_client(Box::pin(report.run(socket))),
        Command::Listen(listen) => run_client(Box::pin(listen.run(socket))),
        Command::Broadcast(broadcast) => run_client(Box::pin(broadcast.run(socket))),
        Command::Respond(respond) => run_client(Box::pin(respond.run(socket))),
        Command::Api(api) => run_client(Box::pin(api.run(socket))),
        Command::Devices(resources) => run_resources(resources, Collection::Devices, socket),
        Command::Things(resources) => run_resources(resources, Collection::Things, socket),
        Command::Experiences(resources) => {
            run_resources(resources, Collection::Experiences, socket)
        }
        Command::Locations(resources) => run_resources(resources, Collection::Locations, socket),
        Command::Feeds(resources) => run_resources(resources, Collection::Feeds, socket),
        Command::Data(data) => run_client(Box::pin(data.run(socket))),
        Command::Content(content) => run_client(Box::pin(content.run(socket))),
        Command::Fling(fling) => run_client(Box::pin(fling.run(socket))),
        Command::Identify(identify) => run_client(Box::pin(identify.run(socket))),
        Command::Restart(restart) => run_client(Box::pin(restart.run(socket))),
        Command::ChannelId(channel_id) => run_client(Box::pin(channel_id.run())),
        Command::Web(web) => run_client(Box::pin(web.run())),
        Command::Completions(completions) => run_client(Box::pin(completions.run(command()))),
        Command::Manual(manual) => manual.run(command()),
    }
}

/// Error of a daemon option that a command does not use.
#[derive(Debug, thiserror::Error)]
#[error("this command does not use the daemon")]
struct UnusedOption;

/// The command line. Commands that do not use the daemon hide and refuse its options.
fn command() -> clap::Command {
    let refused = |_: &str| Err::<String, _>(UnusedOption);
    let unused = move |id: &'static str| {
        let option = Arg::new(id).long(id).hide(true);
        option.value_parser(refused)
    };
    let quiet = |id: &'static str| {
        let option = Arg::new(id).long(id).short('v').hide(true);
        option.action(ArgAction::Count)
    };
    let mut command = Cli::command().mut_subcommand("hub", |hub| hub.arg(unused("socket")));
    for name in ["channel-id", "check-config", "completions", "manual", "web"] {
        command = command.mut_subcommand(name, |command| {
            command.arg(unused("socket")).arg(quiet("verbose"))
        });
    }
    command
}

fn run_resources(
    resources: Resources,
    collection: Collection,
    socket: DaemonSocket,
) -> Result<(), Failure> {
    run_client(Box::pin(resources.run(collection, socket)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_free_of_contradictions() {
        command().debug_assert();
    }
}
