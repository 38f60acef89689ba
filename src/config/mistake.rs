//! Mistakes in the settings. Each is one line with place, fault and remedy.
//!
//! No text here contains a secret: the callers leave secret values out.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

/// Origin of a setting. The order is that of the report.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SettingOrigin {
    /// A place in the settings file.
    File {
        file: PathBuf,
        /// Counted from 1; 0 for the file as a whole.
        line: usize,
        /// Counted from 1; 0 if it is of no use.
        column: usize,
    },
    /// An environment variable.
    Variable(String),
    /// A file in systemd's credentials directory.
    Credential(PathBuf),
    /// Not set.
    Defaults,
}

impl SettingOrigin {
    /// The file as a whole.
    pub(super) fn file(file: &Path) -> Self {
        Self::File {
            file: file.to_owned(),
            line: 0,
            column: 0,
        }
    }
}

impl fmt::Display for SettingOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line: 0, .. } => write!(f, "{}", file.display()),
            Self::File {
                file,
                line,
                column: 0,
            } => write!(f, "{}:{line}", file.display()),
            Self::File { file, line, column } => write!(f, "{}:{line}:{column}", file.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Credential(path) => write!(f, "{}", path.display()),
            Self::Defaults => f.write_str("settings"),
        }
    }
}

/// One mistake or warning.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    pub origin: SettingOrigin,
    /// Empty for the file as a whole.
    pub key: String,
    /// The fault.
    pub what: String,
    pub remedy: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = OneLine(f);
        write!(line, "{}: ", self.origin)?;
        if !self.key.is_empty() {
            write!(line, "{}: ", self.key)?;
        }
        write!(line, "{}; {}", self.what, self.remedy)
    }
}

/// Escapes line ends and control characters of terminals. Names of variables, keys and files may
/// contain them, and a second line in a log could pass for another record.
struct OneLine<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
                write!(self.0, "{}", c.escape_default())?;
            } else {
                self.0.write_char(c)?;
            }
        }
        Ok(())
    }
}

/// All mistakes, one line each, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub(super) Vec<Mistake>);

impl ConfigErrors {
    /// The mistakes, in the order of the file.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.0
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Collects mistakes and warnings.
#[derive(Debug, Default)]
pub(super) struct Findings {
    mistakes: Vec<Mistake>,
    warnings: Vec<Mistake>,
}

impl Findings {
    pub(super) fn mistake(
        &mut self,
        origin: SettingOrigin,
        key: impl fmt::Display,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.mistakes.push(Mistake {
            origin,
            key: key.to_string(),
            what: what.into(),
            remedy: remedy.into(),
        });
    }

    pub(super) fn warning(
        &mut self,
        origin: SettingOrigin,
        key: impl fmt::Display,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.warnings.push(Mistake {
            origin,
            key: key.to_string(),
            what: what.into(),
            remedy: remedy.into(),
        });
    }

    /// Returns the warnings, or the mistakes if there are any; in the order of the file, without
    /// duplicates.
    pub(super) fn finish(mut self) -> Result<Vec<Mistake>, ConfigErrors> {
        if self.mistakes.is_empty() {
            self.warnings.sort();
            self.warnings.dedup();
            return Ok(self.warnings);
        }
        self.mistakes.sort();
        self.mistakes.dedup();
        Err(ConfigErrors(self.mistakes))
    }
}

/// Origins by key.
pub(super) type SettingOrigins = BTreeMap<String, SettingOrigin>;

/// Quotes `text` for a message: shortened, and without characters that break the line.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    let short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        format!("{short:?}…")
    } else {
        format!("{short:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_one_line_with_place_key_fault_and_remedy() {
        let mistake = Mistake {
            origin: SettingOrigin::File {
                file: "/etc/expd.toml".into(),
                line: 3,
                column: 0,
            },
            key: "daemon.socket".into(),
            what: "must be a text".into(),
            remedy: "put it in quotes".into(),
        };
        assert_eq!(
            mistake.to_string(),
            "/etc/expd.toml:3: daemon.socket: must be a text; put it in quotes"
        );
    }

    #[test]
    fn no_name_breaks_the_line() {
        let mistake = Mistake {
            origin: SettingOrigin::Variable("EXPD__A\nexpd: all is well\u{1b}[2J".into()),
            key: "a\r\n\u{2028}b é".into(),
            what: "unknown key".into(),
            remedy: "add [instances.c\nd]".into(),
        };
        assert_eq!(
            mistake.to_string(),
            r"EXPD__A\nexpd: all is well\u{1b}[2J: a\r\n\u{2028}b é: unknown key; add [instances.c\nd]"
        );
    }

    #[test]
    fn a_quoted_text_stays_on_its_line() {
        assert_eq!(quoted("a\nb"), r#""a\nb""#);
        assert!(quoted(&"x".repeat(1000)).chars().count() < 70);
    }
}
