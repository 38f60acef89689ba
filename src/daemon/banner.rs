//! The banner of `expd serve --embedded`: lines for a newcomer to try.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::timeout;

use crate::bridge::Bridges;
use expd_domain::{KnownIdentity, LinkState};

/// Limit of the wait for the first login, which takes milliseconds on the embedded network.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(3);

/// Facts that the banner shows.
pub(super) struct Banner {
    pub(super) socket: PathBuf,
    /// True where clients find the socket without `--socket`.
    pub(super) is_default: bool,
    /// URL of the embedded network.
    pub(super) network: String,
}

impl Banner {
    /// Prints the banner to standard error once the default instance has logged in.
    pub(super) async fn print(self, bridges: Bridges) {
        let default = bridges.get("");
        if let Some(bridge) = default {
            let mut link = bridge.link.clone();
            let online = link.wait_for(|status| status.state == LinkState::Online);
            // Neither a login that takes longer nor a daemon that stops keeps the banner back.
            timeout(LOGIN_TIMEOUT, online).await.map(drop).ok();
        }
        let identity = default.and_then(|bridge| bridge.identity().ok());
        anstream::eprint!("{}", self.text(identity.as_ref()));
    }

    fn text(&self, identity: Option<&KnownIdentity>) -> String {
        let socket = quoted(&self.socket.display().to_string());
        // The lines work as they are printed.
        let option = if self.is_default {
            String::new()
        } else {
            format!(" --socket {socket}")
        };
        let program = program();
        let who = identity.map_or_else(
            || "not logged in yet".to_owned(),
            |identity| {
                format!(
                    "{} {} of organization {:?}",
                    identity.kind, identity.uuid, identity.organization
                )
            },
        );
        let lines = [
            String::new(),
            "expd serves, with an EXP network of its own (in memory, for trying out and for \
             development)."
                .to_owned(),
            format!("  socket         {}", self.socket.display()),
            format!("  EXP network    {}", self.network),
            format!("  logged in as   {who}"),
            String::new(),
            "Paste into a second terminal, each line on its own:".to_owned(),
            format!("  {program} listen menu{option}"),
            format!("  {program} broadcast menu hi '{{\"soup\":\"tomato\"}}'{option}"),
            format!("  grpcurl -plaintext -unix {socket} list"),
            String::new(),
            "Ctrl-C ends it.".to_owned(),
        ];
        let mut text = String::new();
        for line in lines {
            // Writing to a String does not fail.
            writeln!(text, "{line}").ok();
        }
        text
    }
}

/// Name by which another terminal runs this program: `expd` where the shell finds it, else the
/// path.
fn program() -> String {
    let path = std::env::current_exe().ok();
    let on_path = path
        .as_deref()
        .and_then(Path::parent)
        .is_some_and(|folder| {
            std::env::var_os("PATH")
                .is_some_and(|folders| std::env::split_paths(&folders).any(|it| it == folder))
        });
    match path {
        Some(path) if !on_path => quoted(&path.display().to_string()),
        _ => "expd".to_owned(),
    }
}

/// The text as one word of a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_name_a_socket_that_others_would_not_find() {
        let text = |socket: &str, is_default| {
            let banner = Banner {
                socket: socket.into(),
                is_default,
                network: "http://127.0.0.1:9000".to_owned(),
            };
            banner.text(None)
        };
        let named = text("/tmp/a b/x.sock", false);
        assert_eq!(
            named.matches("--socket '/tmp/a b/x.sock'").count(),
            2,
            "{named}"
        );
        assert!(named.contains("-unix '/tmp/a b/x.sock' list"), "{named}");
        let found = text("/run/expd/expd.sock", true);
        assert!(!found.contains("--socket"), "{found}");
    }
}
