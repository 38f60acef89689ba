//! One table of the settings, with typed access: each getter returns the value of a key, or notes
//! the mistake and returns nothing.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use config::{Value, ValueKind};

use super::host::base_url;
use super::keys::{self, ValueType};
use super::mistake::{SettingOrigin, quoted};
use super::reader::Reader;
use super::route::Route;
use super::units;

/// One table of the settings.
pub(super) struct Section<'r> {
    reader: &'r mut Reader,
    route: Route,
    /// Section name in the table of keys.
    known_as: String,
}

impl<'r> Section<'r> {
    /// The table at a route; an empty one where nothing is set.
    pub(super) fn new(reader: &'r mut Reader, route: Route) -> Self {
        Self {
            known_as: route.section(),
            reader,
            route,
        }
    }

    /// True if a key has a value.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// Reports every key that is set and would be ignored: all that are not `wanted` (a secret's
    /// file counts as the secret).
    pub(super) fn refuse_others(&mut self, wanted: &[&str], because: &str) {
        for name in self.reader.names(&self.route) {
            let secret = name.strip_suffix(keys::FILE_SUFFIX).unwrap_or(&name);
            let known = keys::shape(&self.known_as, &name).is_some();
            if known && !wanted.contains(&name.as_str()) && !wanted.contains(&secret) {
                self.mistake(&name, format!("has no meaning {because}"), "remove it");
            }
        }
    }

    pub(super) fn mistake(
        &mut self,
        name: &str,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let route = self.at(name);
        let origin = self.reader.origin(&route);
        self.reader.findings.mistake(origin, &route, what, remedy);
    }

    pub(super) fn warning(
        &mut self,
        name: &str,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let route = self.at(name);
        let origin = self.reader.origin(&route);
        self.reader.findings.warning(origin, &route, what, remedy);
    }

    /// Adds the content of a file that a key names to the key's digest, so that its change is
    /// noticed.
    pub(super) fn note(&mut self, name: &str, text: &str) {
        let route = self.at(name);
        self.reader.digests.note(&route, text);
    }

    /// A required text.
    pub(super) fn required(&mut self, name: &str) -> Option<String> {
        if !self.is_set(name) {
            self.missing(name, "set it");
        }
        self.text(name)
    }

    /// Reports a missing required key.
    pub(super) fn missing(&mut self, name: &str, remedy: impl Into<String>) {
        self.mistake(name, "is missing", remedy);
    }

    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        let text = self.string(name, "put it in quotes")?;
        if text.is_empty() {
            self.mistake(name, "is empty", "give it a value or remove it");
            return None;
        }
        Some(text)
    }

    /// Text of a secret, which no message contains.
    pub(super) fn secret_text(&mut self, name: &str) -> Option<String> {
        self.text(name)
    }

    /// A path. A relative path in the file is resolved from the file's folder.
    pub(super) fn path(&mut self, name: &str) -> Option<PathBuf> {
        let text = self.text(name)?;
        let origin = self.reader.origin(&self.at(name));
        Some(match origin {
            SettingOrigin::File { file, .. } => file.parent().unwrap_or(Path::new("")).join(text),
            _ => PathBuf::from(text),
        })
    }

    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        let value = self.value(name)?.kind.clone();
        let read = match value {
            ValueKind::Boolean(flag) => Some(flag),
            ValueKind::String(text) if self.is_variable(name) => {
                match text.to_lowercase().as_str() {
                    "true" => Some(true),
                    "false" => Some(false),
                    _ => None,
                }
            }
            _ => None,
        };
        if read.is_none() {
            self.mistake(name, "is neither true nor false", "write true or false");
        }
        read
    }

    pub(super) fn duration(&mut self, name: &str) -> Option<Duration> {
        let text = self.string(name, "write it in quotes, with a unit, as in \"60s\"")?;
        let duration = match units::parse_duration(&text) {
            Ok(duration) => duration,
            Err(error) => {
                self.unit_mistake(name, &text, error);
                return None;
            }
        };
        if let Some(ValueType::Duration(least, most)) = self.value_type(name)
            && !(least..=most).contains(&duration)
        {
            let (least, most) = (units::format_duration(least), units::format_duration(most));
            self.out_of_range(name, &quoted(&text), &least, &most);
            return None;
        }
        Some(duration)
    }

    /// A size of memory.
    pub(super) fn size(&mut self, name: &str) -> Option<usize> {
        // Never too large: such keys are limited to the size of memory.
        usize::try_from(self.size_on_disk(name)?).ok()
    }

    pub(super) fn size_on_disk(&mut self, name: &str) -> Option<u64> {
        let (bytes, text) = match self.value(name)?.kind.clone() {
            ValueKind::I64(number) => (u64::try_from(number).ok(), number.to_string()),
            ValueKind::String(text) => match units::parse_size(&text) {
                Ok(bytes) => (Some(bytes), quoted(&text)),
                Err(error) => {
                    self.unit_mistake(name, &text, error);
                    return None;
                }
            },
            _ => {
                self.mistake(name, "must be a size", "write it as in \"4MiB\"");
                return None;
            }
        };
        let Some(ValueType::Size(least, most)) = self.value_type(name) else {
            return bytes;
        };
        let fits = bytes.filter(|bytes| (least..=most).contains(bytes));
        if fits.is_none() {
            let least = units::format_size(least);
            self.out_of_range(name, &text, &least, &large_size(most));
        }
        fits
    }

    pub(super) fn count(&mut self, name: &str) -> Option<usize> {
        let number = match self.value(name)?.kind.clone() {
            ValueKind::I64(number) => Some(number),
            ValueKind::String(text) if self.is_variable(name) => text.trim().parse().ok(),
            _ => None,
        };
        let Some(number) = number else {
            self.mistake(
                name,
                "must be a whole number",
                "write digits without quotes",
            );
            return None;
        };
        let Some(ValueType::Count(least, most)) = self.value_type(name) else {
            return usize::try_from(number).ok();
        };
        let fits = usize::try_from(number)
            .ok()
            .filter(|number| (least..=most).contains(number));
        if fits.is_none() {
            self.out_of_range(
                name,
                &number.to_string(),
                &least.to_string(),
                &most.to_string(),
            );
        }
        fits
    }

    pub(super) fn choice(&mut self, name: &str) -> Option<&'static str> {
        let Some(ValueType::Choice(known)) = self.value_type(name) else {
            return None;
        };
        let text = match self.value(name)?.kind.clone() {
            ValueKind::String(text) => text,
            // `protocol = 3` is as clear as "3".
            ValueKind::I64(number) => number.to_string(),
            _ => String::new(),
        };
        let found = known.iter().find(|known| **known == text).copied();
        if found.is_none() {
            let one_of = listed(known);
            let remedy = match keys::nearest_of(&text, known.iter().copied()) {
                Some(nearest) => format!("write one of {one_of}; did you mean \"{nearest}\"?"),
                None => format!("write one of {one_of}"),
            };
            self.mistake(
                name,
                format!("{} is not a known value", quoted(&text)),
                remedy,
            );
        }
        found
    }

    pub(super) fn address(&mut self, name: &str) -> Option<SocketAddr> {
        let text = self.string(name, "write it as in \"127.0.0.1:9000\"")?;
        let Ok(address) = text.parse::<SocketAddr>() else {
            let what = format!("{} is not an address with a port", quoted(&text));
            self.mistake(
                name,
                what,
                "write it as in \"127.0.0.1:9000\" or \"[::1]:9000\"",
            );
            return None;
        };
        if matches!(self.value_type(name), Some(ValueType::LoopbackAddress))
            && !address.ip().is_loopback()
        {
            self.mistake(
                name,
                format!("{address} can be reached from other machines, and nothing would check who calls"),
                "use 127.0.0.1 or [::1]",
            );
            return None;
        }
        Some(address)
    }

    /// Permission bits: `"0660"`, `"660"` or `0o660`. The decimal number 660 would be other bits.
    pub(super) fn mode(&mut self, name: &str) -> Option<u32> {
        const REMEDY: &str = "write it as in \"0660\" or 0o660";
        let bits = match self.value(name)?.kind.clone() {
            ValueKind::String(text) => {
                let digits = text.strip_prefix("0o").unwrap_or(&text);
                let octal = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
                octal.then(|| u32::from_str_radix(digits, 8).ok()).flatten()
            }
            ValueKind::U64(bits) => u32::try_from(bits).ok(),
            ValueKind::I64(_) => {
                self.mistake(name, "a decimal number is not a permission mode", REMEDY);
                return None;
            }
            _ => None,
        };
        let fits = bits.filter(|bits| *bits <= 0o777);
        if fits.is_none() {
            self.mistake(name, "is not a permission mode up to 0777", REMEDY);
        }
        fits
    }

    /// A base URL without its trailing slash. No message repeats it, since it may contain a
    /// password.
    pub(super) fn url(&mut self, name: &str) -> Option<String> {
        let text = self.text(name)?;
        if let Err(fault) = base_url(&text) {
            self.mistake(name, fault.what, fault.remedy);
            return None;
        }
        Some(text.trim_end_matches('/').to_owned())
    }

    /// A list of texts, separated by commas in the environment.
    pub(super) fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        let read: Option<Vec<String>> = match self.value(name)?.kind.clone() {
            ValueKind::Array(items) => items
                .into_iter()
                .map(|item| match item.kind {
                    ValueKind::String(text) if !text.is_empty() => Some(text),
                    _ => None,
                })
                .collect(),
            ValueKind::String(text) if self.is_variable(name) => {
                Some(text.split(',').map(|item| item.trim().to_owned()).collect())
            }
            _ => None,
        };
        if read.is_none() {
            self.mistake(
                name,
                "must be a list of texts",
                "write it as in [\"a\", \"b\"]",
            );
        }
        read
    }

    /// A list of known words.
    pub(super) fn choices(&mut self, name: &str) -> Option<Vec<String>> {
        let texts = self.texts(name)?;
        let Some(ValueType::Choices(known)) = self.value_type(name) else {
            return Some(texts);
        };
        for text in &texts {
            if !known.contains(&text.as_str()) {
                let one_of = listed(known);
                let remedy = match keys::nearest_of(text, known.iter().copied()) {
                    Some(nearest) => format!("use {one_of}; did you mean \"{nearest}\"?"),
                    None => format!("use {one_of}"),
                };
                self.mistake(
                    name,
                    format!("{} is not a known value", quoted(text)),
                    remedy,
                );
            }
        }
        Some(texts)
    }

    fn string(&mut self, name: &str, remedy: &str) -> Option<String> {
        if let ValueKind::String(text) = &self.value(name)?.kind {
            return Some(text.clone());
        }
        self.mistake(name, "must be a text", remedy);
        None
    }

    fn value(&self, name: &str) -> Option<&Value> {
        self.reader.get(&self.route.key(name))
    }

    fn at(&self, name: &str) -> Route {
        if name.is_empty() {
            self.route.clone()
        } else {
            self.route.key(name)
        }
    }

    fn value_type(&self, name: &str) -> Option<ValueType> {
        keys::find(&self.known_as, name).map(|key| key.value_type)
    }

    /// True for a value of a variable or credential, which is always text.
    fn is_variable(&self, name: &str) -> bool {
        !matches!(
            self.reader.origin(&self.route.key(name)),
            SettingOrigin::File { .. }
        )
    }

    fn unit_mistake(&mut self, name: &str, text: &str, error: units::UnitError) {
        let error = error.to_string();
        let (what, remedy) = error.split_once("; ").unwrap_or((&error, "correct it"));
        self.mistake(name, format!("{} is {what}", quoted(text)), remedy);
    }

    fn out_of_range(&mut self, name: &str, given: &str, least: &str, most: &str) {
        let what = format!("{given} is out of range");
        self.mistake(name, what, format!("use {least} to {most}"));
    }
}

fn listed(known: &[&str]) -> String {
    let quoted: Vec<String> = known.iter().map(|known| format!("\"{known}\"")).collect();
    quoted.join(", ")
}

fn large_size(bytes: u64) -> String {
    if bytes.is_multiple_of(1_000_000) {
        format!("{}MB", bytes / 1_000_000)
    } else {
        units::format_size(bytes)
    }
}
