//! `expd access`: the daemon's access rules.

use clap::{Args, Subcommand};

use super::daemon_socket::DaemonSocket;
use super::failure::Failure;
use super::flags::{ChannelFlags, InstanceFlag};
use super::output::{DIM, Output, printable, styled};
use crate::access::{Verb, accounts};
use expd_client::{Explain as Question, Explanation, Subject};

/// Query the daemon's access rules
#[derive(Debug, Args)]
pub(super) struct Access {
    #[command(subcommand)]
    command: AccessCommand,
}

#[derive(Debug, Subcommand)]
enum AccessCommand {
    Explain(Explain),
}

/// Show whether a program may do something, and which access rule decides
///
/// Asks the running daemon, which has the rules of its last reload; nothing is executed. Without
/// --pid, --uid, --user, --token or --app, the question is about this user's own programs. A
/// question about others requires the permission `admin` on the instance; its answer also names the
/// rules for others.
///
/// Exit status: 0 allowed, 5 refused.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  expd access explain listen --channel menu
  expd access explain broadcast --channel menu --pid \"$(pidof -s my-player)\"
  expd access explain listen --channel menu --event price-1 --token ci
  expd access explain broadcast --channel menu --event order --app menu-board
  expd access explain request --path /api/devices --method PATCH --user kiosk
  expd access explain status --uid 1000 --json | jq -r '.rules[].rule'")]
struct Explain {
    /// Permission, as named in access rules
    #[arg(value_parser = Verb::NAMES)]
    verb: String,
    /// Channel; required for listen and broadcast
    #[arg(short, long, value_name = "NAME", allow_hyphen_values = true)]
    channel: Option<String>,
    #[command(flatten)]
    flags: ChannelFlags,
    /// Event name, for listen and broadcast [default: any]
    #[arg(short, long, value_name = "NAME", allow_hyphen_values = true)]
    event: Option<String>,
    /// Method of an API request
    #[arg(long, value_name = "METHOD", default_value = "GET")]
    method: String,
    /// Path of an API request; required for request
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// The program with the process ID PID, with its user, groups and unit
    #[arg(long, value_name = "PID", group = "subject")]
    pid: Option<u32>,
    /// Programs of the user UID, with its groups and without a unit
    #[arg(long, value_name = "UID", group = "subject")]
    uid: Option<u32>,
    /// As --uid, by user name
    #[arg(long, value_name = "NAME", group = "subject")]
    user: Option<String>,
    /// Callers over TCP with the token NAME
    #[arg(long, value_name = "NAME", group = "subject")]
    token: Option<String>,
    /// Web pages of the app NAME
    #[arg(long, value_name = "NAME", group = "subject")]
    app: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    instance: InstanceFlag,
}

impl Access {
    pub(super) async fn run(self, socket: DaemonSocket) -> Result<(), Failure> {
        match self.command {
            AccessCommand::Explain(explain) => explain.run(socket).await,
        }
    }
}

impl Explain {
    async fn run(self, socket: DaemonSocket) -> Result<(), Failure> {
        let question = self.question()?;
        let answer = socket.connect().await?.explain(&question).await?;
        let mut stdout = Output::new();
        if self.json {
            stdout.document(&answer).await?;
        } else {
            stdout.text(&text(&answer)).await?;
        }
        if answer.allowed {
            Ok(())
        } else {
            Err(Failure::NotAllowed)
        }
    }

    fn question(&self) -> Result<Question, Failure> {
        let lacking = |option: &str| Failure::Usage(format!("{} requires {option}", self.verb));
        match Verb::from_name(&self.verb) {
            Some(Verb::Listen | Verb::Broadcast) if self.channel.is_none() => {
                return Err(lacking("--channel"));
            }
            Some(Verb::Request) if self.path.is_none() => return Err(lacking("--path")),
            Some(Verb::Run) if self.instance.name.is_empty() => {
                return Err(lacking("--instance, the name to run it under"));
            }
            _ => {}
        }
        Ok(Question {
            verb: self.verb.clone(),
            instance: self.instance.name.clone(),
            channel: self.channel.as_ref().map(|name| self.flags.channel(name)),
            name: self.event.clone().unwrap_or_default(),
            method: self.method.clone(),
            path: self.path.clone().unwrap_or_default(),
            subject: self.subject()?,
        })
    }

    fn subject(&self) -> Result<Subject, Failure> {
        if let Some(pid) = self.pid {
            return Ok(Subject::Process(pid));
        }
        if let Some(uid) = self.uid {
            return Ok(Subject::User(uid));
        }
        if let Some(token) = &self.token {
            return Ok(Subject::Token(token.clone()));
        }
        if let Some(app) = &self.app {
            return Ok(Subject::App(app.clone()));
        }
        let Some(name) = &self.user else {
            return Ok(Subject::Myself);
        };
        let found = accounts::user_id(name).map_err(|source| Failure::Input {
            what: format!("the user {name:?}"),
            source,
        })?;
        let unknown = || Failure::Usage(format!("there is no user {name:?} on this system"));
        found.map(Subject::User).ok_or_else(unknown)
    }
}

fn text(answer: &Explanation) -> String {
    let mut text = format!(
        "{}\n{}",
        printable(&answer.reason),
        styled(DIM, format_args!("caller: {}", printable(&answer.caller)))
    );
    // The reason already names the rules for the caller.
    for rule in answer.missed.iter().filter(|rule| !rule.for_caller) {
        let conditions = rule.conditions.join(", ");
        let line = format!("for others: {} ({}): {conditions}", rule.rule, rule.text);
        text.push('\n');
        text.push_str(&styled(DIM, printable(&line)));
    }
    text
}
