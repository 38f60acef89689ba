//! Changes to documents: a patch from the command line, or an edit in an editor.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value};

use super::failure::Failure;
use super::payload;
use expd_domain::Payload;

/// A change to a document.
pub(super) enum DocumentChange {
    /// A merge patch (RFC 7396).
    Merge(Value),
    /// The command that opens an editor.
    Editor(String),
}

impl DocumentChange {
    /// Reads the change from the command line; without one, it is made in an editor.
    pub(super) fn read(argument: Option<&str>) -> Result<Self, Failure> {
        if argument.is_some() {
            return Ok(Self::Merge(parse(&payload::read(argument)?)?));
        }
        let named = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
        let editor = named("VISUAL").or_else(|| named("EDITOR"));
        editor
            .map(Self::Editor)
            .ok_or_else(|| Failure::Usage("give the change as JSON, or set EDITOR".to_owned()))
    }

    /// The changed document; none if nothing changed.
    pub(super) fn apply(self, document: &Payload) -> Result<Option<Payload>, Failure> {
        let before = parse(document)?;
        let after = match self {
            Self::Merge(patch) => {
                let mut after = before.clone();
                merge(&mut after, patch);
                after
            }
            Self::Editor(editor) => edited(&editor, &before)?,
        };
        Ok((after != before).then(|| Payload::from(after)))
    }
}

/// Parses a payload. Number digits and key order are kept.
fn parse(payload: &Payload) -> Result<Value, Failure> {
    serde_json::from_str(payload.as_str())
        .map_err(|error| Failure::Failed(format!("cannot parse the document: {error}")))
}

/// Parses a document that has to be an object.
pub(super) fn parse_object(document: &Payload) -> Result<Map<String, Value>, Failure> {
    match parse(document)? {
        Value::Object(fields) => Ok(fields),
        _ => Err(Failure::Failed(
            "the document is not a JSON object, so its fields cannot be changed".to_owned(),
        )),
    }
}

/// Merges a patch into a document (RFC 7396).
fn merge(document: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *document = patch;
        return;
    };
    if !document.is_object() {
        *document = Value::Object(Map::new());
    }
    let Value::Object(fields) = document else {
        return;
    };
    for (name, value) in patch {
        if value.is_null() {
            fields.shift_remove(&name);
        } else {
            merge(fields.entry(name).or_insert(Value::Null), value);
        }
    }
}

/// Edits a document in an editor. A result that is not JSON stays in its file, so that no work is
/// lost.
fn edited(editor: &str, document: &Value) -> Result<Value, Failure> {
    let name = format!("expd-{}.json", uuid::Uuid::new_v4());
    let path = std::env::temp_dir().join(name);
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        Failure::Failed(format!("{what} {}: {error}", path.display()))
    };
    let text = serde_json::to_string_pretty(document)
        .map_err(|error| failed("cannot write the document to", &error))?;
    write(&path, &text).map_err(|error| failed("cannot write the document to", &error))?;
    // Through a shell, as in other programs: the variable may contain options.
    let status = Command::new("sh")
        .args(["-c", &format!("{editor} \"$1\""), "sh"])
        .arg(&path)
        .status()
        .map_err(|error| failed("cannot open an editor for", &error))?;
    if !status.success() {
        remove(&path);
        return Err(Failure::Failed(format!(
            "the editor ended with {status}; nothing was changed"
        )));
    }
    let text = std::fs::read_to_string(&path)
        .map_err(|error| failed("cannot read the document back from", &error))?;
    let value = serde_json::from_str(&text).map_err(|error| {
        failed(
            "nothing was changed: not valid JSON (the file is kept):",
            &error,
        )
    })?;
    remove(&path);
    Ok(value)
}

fn write(path: &PathBuf, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    // Readable only by this user, and never through a link that somebody else has created.
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")
}

fn remove(path: &Path) {
    // A file that cannot be removed stays among the temporary files, readable only by this user.
    std::fs::remove_file(path).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(document: &str, patch: &str) -> Option<String> {
        let patch = DocumentChange::read(Some(patch)).unwrap();
        let after = patch.apply(&Payload::parse(document).unwrap()).unwrap();
        after.map(|after| after.as_str().to_owned())
    }

    #[test]
    fn a_merge_changes_what_it_names_and_keeps_every_digit_of_the_rest() {
        let document = r#"{"z":1.00,"a":{"b":12345678901234567890.10,"c":[1]},"n":"x"}"#;
        for (patch, wanted) in [
            (
                r#"{"n":"y"}"#,
                r#"{"z":1.00,"a":{"b":12345678901234567890.10,"c":[1]},"n":"y"}"#,
            ),
            (
                r#"{"a":{"c":null}}"#,
                r#"{"z":1.00,"a":{"b":12345678901234567890.10},"n":"x"}"#,
            ),
            (
                r#"{"z":null,"q":{"r":null,"s":0.10}}"#,
                r#"{"a":{"b":12345678901234567890.10,"c":[1]},"n":"x","q":{"s":0.10}}"#,
            ),
            ("[2]", "[2]"),
        ] {
            assert_eq!(change(document, patch).as_deref(), Some(wanted));
        }
        assert_eq!(change(document, r#"{"n":"x","none":null}"#), None);
    }

    #[test]
    fn an_editor_makes_the_change_or_nothing() {
        let document = Payload::parse(r#"{"name":"old name","n":0.10}"#).unwrap();
        let edit = |editor: &str| DocumentChange::Editor(editor.to_owned()).apply(&document);
        let after = edit("sed -i s/old/new/").unwrap().unwrap();
        assert_eq!(after.as_str(), r#"{"name":"new name","n":0.10}"#);
        assert_eq!(edit("true").unwrap(), None);
        assert!(edit("false").unwrap_err().to_string().contains("nothing"));
        let error = edit("echo { >").unwrap_err().to_string();
        let kept = error.split_once("(the file is kept): ").unwrap().1;
        let path = kept.split_once(".json").unwrap().0.to_owned() + ".json";
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\n");
        std::fs::remove_file(path).unwrap();
    }
}
