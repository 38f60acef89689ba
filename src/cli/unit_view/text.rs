//! The text of a unit: `systemctl cat` under systemd, else the unit's file and its drop-ins.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Folders of units, in systemd's search order.
const FOLDERS: [&str; 4] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// The text of a unit with its drop-ins.
pub(super) fn text_of(unit: &str) -> Option<String> {
    let path = Path::new(unit);
    if path.is_absolute() || unit.contains('/') {
        return Some(with_drop_ins(path, &[]));
    }
    if Path::new("/run/systemd/system").exists() {
        let output = Command::new("systemctl")
            .args(["cat", "--no-pager", unit])
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        return output.status.success().then_some(text);
    }
    let folders: Vec<PathBuf> = FOLDERS.iter().map(PathBuf::from).collect();
    let file = folders
        .iter()
        .map(|folder| folder.join(unit))
        .find(|file| file.is_file())?;
    Some(with_drop_ins(&file, &folders))
}

/// The text of a unit's file, then its drop-ins by name: those beside it, and in the folders.
fn with_drop_ins(file: &Path, folders: &[PathBuf]) -> String {
    let mut text = fs::read_to_string(file).unwrap_or_default();
    let Some(name) = file.file_name() else {
        return text;
    };
    let mut folder_name = name.to_owned();
    folder_name.push(".d");
    let own = file.parent().map(Path::to_owned);
    let mut drop_ins = std::collections::BTreeMap::new();
    // The first folders take precedence.
    for folder in own.iter().chain(folders).rev() {
        for entry in fs::read_dir(folder.join(&folder_name))
            .into_iter()
            .flatten()
            .flatten()
        {
            if entry.path().extension().is_some_and(|it| it == "conf") {
                drop_ins.insert(entry.file_name(), entry.path());
            }
        }
    }
    for path in drop_ins.values() {
        text.push('\n');
        text.push_str(&fs::read_to_string(path).unwrap_or_default());
    }
    text
}

/// Splits a value into words at white space; quotes keep words together.
pub(super) fn split_words(value: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    for c in value.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => quote = Some(c),
            (c, None) if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            (c, _) => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}
