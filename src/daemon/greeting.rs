//! What a newcomer reads after `expd serve --embedded`.

use std::fmt::Write as _;
use std::path::Path;

use expd_domain::Identity;

/// The words for a daemon with its own network: where it is, who it is, and three lines to try.
pub fn embedded(socket: &Path, usual: bool, network: &str, identity: Option<&Identity>) -> String {
    let mut text = String::new();
    let socket_shown = quoted(&socket.display().to_string());
    // A line that works as printed names the socket unless every program finds it by itself.
    let option = if usual {
        String::new()
    } else {
        format!(" --socket {socket_shown}")
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
        "expd serves, with an EXP network of its own (in memory, for trying out and for development)."
            .to_owned(),
        format!("  socket         {}", socket.display()),
        format!("  EXP network    {network}"),
        format!("  logged in as   {who}"),
        String::new(),
        "Paste into a second terminal, each line on its own:".to_owned(),
        format!("  {program} listen menu{option}"),
        format!("  {program} broadcast menu hi '{{\"soup\":\"tomato\"}}'{option}"),
        format!("  grpcurl -plaintext -unix {socket_shown} list"),
        String::new(),
        "Ctrl-C ends it.".to_owned(),
    ];
    for line in lines {
        // Writing to a String does not fail.
        writeln!(text, "{line}").ok();
    }
    text
}

/// How this program is called from another terminal: by its name where the shell would find it, else by its path.
fn program() -> String {
    let path = std::env::current_exe().ok();
    let on_path = path.as_deref().is_some_and(|path| {
        std::env::var_os("PATH").is_some_and(|folders| {
            std::env::split_paths(&folders).any(|f| Some(&*f) == path.parent())
        })
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
        let text = embedded(
            Path::new("/tmp/a b/x.sock"),
            false,
            "http://127.0.0.1:9000",
            None,
        );
        assert_eq!(
            text.matches("--socket '/tmp/a b/x.sock'").count(),
            2,
            "{text}"
        );
        assert!(text.contains("-unix '/tmp/a b/x.sock' list"), "{text}");
        let text = embedded(
            Path::new("/run/expd/expd.sock"),
            true,
            "http://127.0.0.1:9000",
            None,
        );
        assert!(!text.contains("--socket"), "{text}");
    }
}
