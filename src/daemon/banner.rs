//! The banner of `expd serve --embedded`: commands for a newcomer to try.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::timeout;

use crate::bridge::Bridges;
use crate::standard_error;
use expd_domain::{KnownIdentity, LinkState};

/// Timeout of the first login, which takes milliseconds on the embedded network.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(3);

pub(super) struct Banner {
    pub(super) socket: PathBuf,
    /// True if clients find the socket without `--socket`.
    pub(super) is_default: bool,
    /// URL of the embedded network.
    pub(super) network: String,
    /// Database file of the network; `None`: it keeps everything in memory.
    pub(super) store: Option<PathBuf>,
}

impl Banner {
    /// Prints the banner to standard error once the default instance has logged in.
    pub(super) async fn print(self, bridges: Bridges) {
        let default = bridges.get("");
        if let Some(bridge) = &default {
            let mut link = bridge.link.clone();
            let online = link.wait_for(|status| status.state == LinkState::Online);
            // The banner appears even if the login takes longer or the daemon stops.
            timeout(LOGIN_TIMEOUT, online).await.map(drop).ok();
        }
        let identity = (default.as_ref()).and_then(|bridge| bridge.identity().ok());
        let setup = default.map(|bridge| bridge.session.setup());
        let host = setup.as_ref().map(|setup| &*setup.settings.host);
        standard_error::write_styled(&self.text(identity.as_ref(), host));
    }

    /// The banner for an identity that is logged in at `host`.
    fn text(&self, identity: Option<&KnownIdentity>, host: Option<&str>) -> String {
        let socket = quoted(&self.socket.display().to_string());
        // The commands work as they are printed.
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
        let kept = match &self.store {
            Some(store) => format!("kept in {}", store.display()),
            None => "in memory".to_owned(),
        };
        // The settings may connect the default instance to another network, which is not for trying
        // things out.
        let is_used = host == Some(&*self.network);
        let mut lines = vec![
            String::new(),
            if is_used {
                format!(
                    "expd serves, with an EXP network of its own ({kept}, for trying out and for \
                     development)."
                )
            } else {
                "expd serves. The network that it brings along is not the one of the settings' \
                 default instance."
                    .to_owned()
            },
            format!("  socket         {}", self.socket.display()),
            format!(
                "  EXP network    {}",
                host.unwrap_or("none: there is no default instance")
            ),
            format!("  logged in as   {who}"),
        ];
        if is_used {
            lines.extend([
                String::new(),
                "Paste into a second terminal, which listens and answers:".to_owned(),
                format!("  {program} listen menu --respond '\"on it\"'{option}"),
                "Then into a third one, which asks and prints the answer:".to_owned(),
                format!(
                    "  {program} broadcast menu hi '{{\"soup\":\"tomato\"}}' --timeout 1s{option}"
                ),
            ]);
        } else {
            lines.extend([
                format!("  brought along  {} ({kept})", self.network),
                String::new(),
                "Paste into a second terminal:".to_owned(),
                format!("  {program} status{option}"),
            ]);
        }
        lines.extend([String::new(), "Ctrl-C ends it.".to_owned()]);
        let mut text = String::new();
        for line in lines {
            // Writing to a String does not fail.
            writeln!(text, "{line}").ok();
        }
        text
    }
}

/// Command that runs this program in another terminal: `expd` if the shell finds it, else the path.
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

/// Quotes the text as one word of a shell.
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

    const NETWORK: &str = "http://127.0.0.1:9000";

    fn text(socket: &str, is_default: bool, host: &str) -> String {
        let banner = Banner {
            socket: socket.into(),
            is_default,
            network: NETWORK.to_owned(),
            store: None,
        };
        banner.text(None, Some(host))
    }

    #[test]
    fn the_lines_name_a_socket_that_others_would_not_find() {
        let named = text("/tmp/a b/x.sock", false, NETWORK);
        assert_eq!(
            named.matches("--socket '/tmp/a b/x.sock'").count(),
            2,
            "{named}"
        );
        let found = text("/run/expd/expd.sock", true, NETWORK);
        assert!(!found.contains("--socket"), "{found}");
    }

    #[test]
    fn no_network_is_claimed_that_the_settings_do_not_use() {
        let told = text("/s", true, "https://api.example");
        assert!(
            told.contains("EXP network    https://api.example"),
            "{told}"
        );
        assert!(told.contains("is not the one of the settings"), "{told}");
        assert!(!told.contains("broadcast"), "{told}");
    }
}
