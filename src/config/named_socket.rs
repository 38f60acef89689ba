//! Path of the socket in the settings, for clients that look for a daemon: they need no access to
//! its secrets, and other mistakes in the file do not matter.

use std::path::PathBuf;

use toml::de::{DeTable, DeValue};

use super::load::Source;

/// Environment variable of the path.
const VARIABLE: &str = "EXPD__DAEMON__SOCKET";

/// Value of `daemon.socket`, if the environment or the file has it.
#[must_use]
pub fn named_socket(source: &Source) -> Option<PathBuf> {
    let mut variables = source.environment.iter();
    if let Some((_, value)) = variables.find(|(name, _)| name == VARIABLE) {
        return Some(PathBuf::from(value));
    }
    let text = std::fs::read_to_string(source.file.as_ref()?).ok()?;
    let (table, _) = DeTable::parse_recoverable(&text);
    let DeValue::Table(daemon) = table.get_ref().get("daemon")?.get_ref() else {
        return None;
    };
    let DeValue::String(socket) = daemon.get("socket")?.get_ref() else {
        return None;
    };
    Some(PathBuf::from(socket.as_ref()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_socket_is_found_in_a_file_with_mistakes_and_the_environment_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("expd.toml");
        let text = "nonsense = 1\n[daemon]\nsocket = \"/run/a.sock\"\n[instances.default\n";
        std::fs::write(&file, text).unwrap();
        let mut source = Source {
            file: Some(file.clone()),
            ..Source::default()
        };
        let named = |source: &Source| named_socket(source);
        assert_eq!(named(&source).as_deref(), Some(Path::new("/run/a.sock")));
        source.environment = vec![(VARIABLE.to_owned(), "/run/b.sock".into())];
        assert_eq!(named(&source).as_deref(), Some(Path::new("/run/b.sock")));
        source.environment.clear();
        for other in ["", "daemon = 1", "[daemon]\nsocket = 7"] {
            std::fs::write(&file, other).unwrap();
            assert_eq!(named(&source), None, "{other}");
        }
        source.file = None;
        assert_eq!(named(&source), None);
    }
}
