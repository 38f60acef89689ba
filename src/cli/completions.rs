//! `expd completions`: a script that completes commands and options in a shell.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::output::Output;
use super::{Cli, Failure};

/// Print a script that completes expd's commands and options in a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  source <(expd completions bash)                    for this shell
  expd completions bash > /etc/bash_completion.d/expd
  expd completions fish > ~/.config/fish/completions/expd.fish")]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "expd", &mut script);
        let script = String::from_utf8_lossy(&script);
        Output::new().text(script.trim_end()).await
    }
}
