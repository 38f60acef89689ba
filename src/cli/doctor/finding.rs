//! Findings: the results of checks, with remedies.

use serde::Serialize;

use crate::cli::output::{BAD, BOLD, DIM, GOOD, WARN, printable, styled};

/// Severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// A fact that may matter.
    Note,
    /// expd works, but perhaps not for long or not for everybody.
    Warning,
    /// The finding keeps expd from working.
    Fault,
}

/// One finding.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    pub check: &'static str,
    pub level: Level,
    /// The checked object: an instance, a file, a unit; may be empty.
    pub subject: String,
    pub found: String,
    /// Advice; empty if there is nothing to do.
    pub remedy: String,
}

/// Findings of all checks, in the order of the checks.
#[derive(Debug, Default, Serialize)]
pub struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn ok(&mut self, check: &'static str, subject: &str, found: impl Into<String>) {
        self.add(check, Level::Ok, subject, found, "");
    }

    pub(super) fn note(&mut self, check: &'static str, subject: &str, found: impl Into<String>) {
        self.add(check, Level::Note, subject, found, "");
    }

    pub(super) fn warning(
        &mut self,
        check: &'static str,
        subject: &str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(check, Level::Warning, subject, found, remedy);
    }

    pub(super) fn fault(
        &mut self,
        check: &'static str,
        subject: &str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(check, Level::Fault, subject, found, remedy);
    }

    fn add(
        &mut self,
        check: &'static str,
        level: Level,
        subject: &str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.0.push(Finding {
            check,
            level,
            subject: subject.to_owned(),
            found: found.into(),
            remedy: remedy.into(),
        });
    }

    /// Number of findings of a level.
    pub fn count(&self, level: Level) -> usize {
        self.0.iter().filter(|it| it.level == level).count()
    }

    /// Formats the findings for people: one line each, with the remedy below.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for it in &self.0 {
            let level = match it.level {
                Level::Ok => styled(GOOD, "ok     "),
                Level::Note => styled(DIM, "note   "),
                Level::Warning => styled(WARN, "warning"),
                Level::Fault => styled(BAD, "FAULT  "),
            };
            let check = styled(BOLD, format_args!("{:<9}", it.check));
            let subject = match it.subject.as_str() {
                "" => String::new(),
                subject => format!("{}: ", printable(subject)),
            };
            let found = printable(&it.found);
            text.extend([&*level, " ", &*check, " ", &*subject, &*found, "\n"]);
            if !it.remedy.is_empty() {
                let remedy = printable(&it.remedy);
                text.extend(["                  do: ", &*remedy, "\n"]);
            }
        }
        text
    }
}
