//! `expd completions`: a script that completes commands and options in a shell.

use clap::Args;
use clap_complete::Shell;

use super::failure::Failure;
use super::output::Output;

/// Print a shell completion script
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  source <(expd completions bash)                    for this shell
  expd completions bash > /etc/bash_completion.d/expd
  expd completions fish > ~/.config/fish/completions/expd.fish")]
pub(super) struct Completions {
    shell: Shell,
}

impl Completions {
    pub(super) async fn run(self, mut cli: clap::Command) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut cli, "expd", &mut script);
        let script = String::from_utf8_lossy(&script);
        Output::new().text(script.trim_end()).await
    }
}
