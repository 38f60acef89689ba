//! The layer of the TOML file, with the line of every value.

use std::io;
use std::path::Path;

use config::{Map, Value, ValueKind};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys;
use super::layer::Layer;
use super::mistake::{Findings, SettingOrigin};
use super::route::Route;
use super::text_file::read_settled;

/// Limit on the settings file; a sane one has a few kilobytes.
const LARGEST: u64 = 1 << 20;

/// Facts about the end of the file, by which a truncated file is recognized.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileEnd {
    /// The last line has no newline.
    pub(super) unfinished_line: bool,
    /// Index of the access rule that is the last table of the file.
    pub(super) rule: Option<usize>,
}

/// Mistake of a file whose last line has no newline.
pub(super) const UNFINISHED: &str = "the last line has no newline: the file may be truncated, and a rule in it may allow more than intended";

impl Layer {
    /// Reads the file. `None` if it cannot be read or is not TOML; the mistake is noted.
    pub(super) fn from_file(path: &Path, findings: &mut Findings) -> Option<(Self, FileEnd)> {
        let text = match read_settled(path, LARGEST) {
            Ok(text) => text,
            Err(error) => {
                let remedy = match error.kind() {
                    io::ErrorKind::NotFound => "create it, or name another with --config",
                    io::ErrorKind::PermissionDenied => {
                        "let the daemon's user read it (chown, chmod), or run as a user who may"
                    }
                    io::ErrorKind::ResourceBusy => "try again once it is written",
                    _ => "name a readable TOML file with --config",
                };
                findings.mistake(
                    SettingOrigin::file(path),
                    "",
                    format!("cannot read the settings: {error}"),
                    remedy,
                );
                return None;
            }
        };
        let (table, errors) = DeTable::parse_recoverable(&text);
        for error in &errors {
            // The error's `Display` would quote the line, which may contain a secret.
            let (line, column) = position(&text, error.span().map_or(0, |span| span.start));
            let origin = SettingOrigin::File {
                file: path.to_owned(),
                line,
                column,
            };
            let reason = error.message().replace('\n', ", ");
            findings.mistake(
                origin,
                "",
                format!("not TOML: {reason}"),
                "correct the syntax",
            );
        }
        if !errors.is_empty() {
            return None;
        }
        let mut document = Document {
            file: path,
            text: &text,
            layer: Self::default(),
        };
        document.read_table(&Route::default(), table.get_ref());
        let end = FileEnd {
            unfinished_line: !text.is_empty() && !text.ends_with('\n'),
            rule: last_rule(table.get_ref()),
        };
        Some((document.layer, end))
    }
}

/// A parsed file, which becomes a layer.
struct Document<'a> {
    file: &'a Path,
    text: &'a str,
    layer: Layer,
}

impl Document<'_> {
    fn read_table(&mut self, route: &Route, table: &DeTable<'_>) {
        for (key, value) in table {
            let route = route.key(key.get_ref());
            self.read_value(&route, key.span().start, value);
        }
    }

    fn read_value(&mut self, route: &Route, start: usize, value: &Spanned<DeValue<'_>>) {
        let (line, _) = position(self.text, start);
        let origin = SettingOrigin::File {
            file: self.file.to_owned(),
            line,
            column: 0,
        };
        let kind = match value.get_ref() {
            DeValue::Table(table) => {
                self.layer
                    .push(route, ValueKind::Table(Map::new()), &origin);
                return self.read_table(route, table);
            }
            DeValue::Array(items)
                if !items.is_empty() && items.iter().all(|item| item.get_ref().is_table()) =>
            {
                for (index, item) in items.iter().enumerate() {
                    self.read_value(&route.item(index), item.span().start, item);
                }
                return;
            }
            DeValue::Array(items) => {
                ValueKind::Array(items.iter().map(|item| plain(item.get_ref())).collect())
            }
            other => plain(other).kind,
        };
        self.layer.push(route, kind, &origin);
    }
}

/// Converts a value without tables to the form of the `config` crate. Numbers that are not decimal
/// become unsigned there, so that the reader can tell `0o660` from `660`.
fn plain(value: &DeValue<'_>) -> Value {
    let kind = match value {
        DeValue::String(text) => ValueKind::String(text.to_string()),
        DeValue::Boolean(value) => ValueKind::Boolean(*value),
        DeValue::Integer(number) if number.radix() == 10 => number
            .as_str()
            .parse()
            .map_or(ValueKind::Nil, ValueKind::I64),
        DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix())
            .map_or(ValueKind::Nil, ValueKind::U64),
        DeValue::Float(number) => number
            .as_str()
            .parse()
            .map_or(ValueKind::Nil, ValueKind::Float),
        DeValue::Array(items) => {
            ValueKind::Array(items.iter().map(|item| plain(item.get_ref())).collect())
        }
        // No key has a value of these types; nil is reported as a wrong type.
        DeValue::Table(_) | DeValue::Datetime(_) => ValueKind::Nil,
    };
    Value::new(None, kind)
}

/// Line and column of a byte, counted from 1.
fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (line, column)
}

/// Index of the access rule that is the last table of the file.
fn last_rule(root: &DeTable<'_>) -> Option<usize> {
    let mut last = None;
    let mut others = 0;
    for (key, value) in root {
        match value.get_ref() {
            DeValue::Array(rules) if key.get_ref() == keys::ACCESS => {
                last = rules.iter().enumerate().next_back();
            }
            _ => others = others.max(latest_start(value)).max(key.span().start),
        }
    }
    let (index, rule) = last?;
    (latest_start(rule) > others).then_some(index)
}

/// Byte offset at which the last part of a value starts in the file.
fn latest_start(value: &Spanned<DeValue<'_>>) -> usize {
    let within = match value.get_ref() {
        DeValue::Table(table) => table
            .iter()
            .map(|(key, value)| latest_start(value).max(key.span().start))
            .max(),
        DeValue::Array(items) => items.iter().map(latest_start).max(),
        _ => None,
    };
    within.unwrap_or(0).max(value.span().start)
}
