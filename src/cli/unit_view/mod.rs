//! The settings as a systemd unit's service sees them: its environment, its credentials, and the
//! user who reads the files.
//!
//! The source is the text of the unit with its drop-ins. Specifiers (`%…`) are not expanded.

mod credential;
mod error;
mod files;
mod folder;
mod text;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::failure::Failure;
use crate::access::accounts;
use crate::config::Source;
use credential::Credentials;
use error::UnitError;
use files::{files_of, secret_name, unreadable};
pub(super) use folder::CredentialFolder;
use text::{split_words, text_of};

/// Environment, credentials and user that a unit gives its service.
#[derive(Debug, Default)]
pub(super) struct UnitView {
    /// The unit's name, for messages.
    name: String,
    user: Option<String>,
    group: Option<String>,
    groups: Vec<String>,
    is_dynamic: bool,
    /// `Environment=`.
    assigned: Vec<(String, String)>,
    /// `EnvironmentFile=`, which overrides `Environment=`.
    from_files: Vec<(String, String)>,
    credentials: Credentials,
    /// The settings file that `ExecStart=` names.
    config: Option<PathBuf>,
    /// Faults of the unit itself.
    faults: Vec<UnitError>,
}

impl UnitView {
    /// Reads a unit by its name, or by the path of its file.
    ///
    /// # Errors
    /// There is no such unit.
    pub(super) fn read(name: &str) -> Result<Self, Failure> {
        let unit = if name.contains('.') || name.contains('/') {
            name.to_owned()
        } else {
            format!("{name}.service")
        };
        let mut view = Self {
            name: unit.clone(),
            ..Self::default()
        };
        let text = text_of(&unit).ok_or_else(|| {
            Failure::Failed(format!(
                "there is no unit {unit} (systemctl cat {unit}); name one, or the path of its file"
            ))
        })?;
        view.take(&text);
        Ok(view)
    }

    fn take(&mut self, text: &str) {
        let mut section = String::new();
        let text = text.replace("\\\n", " ");
        for line in text.lines().map(str::trim) {
            if line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = line.strip_prefix('[') {
                name.trim_end_matches(']').clone_into(&mut section);
            } else if section == "Service"
                && let Some((key, value)) = line.split_once('=')
            {
                self.assign(key.trim(), value.trim());
            }
        }
    }

    fn assign(&mut self, key: &str, value: &str) {
        let text = || Some(value.to_owned()).filter(|value| !value.is_empty());
        match key {
            "User" => self.user = text(),
            "Group" => self.group = text(),
            "SupplementaryGroups" if value.is_empty() => self.groups.clear(),
            "SupplementaryGroups" => {
                self.groups
                    .extend(value.split_whitespace().map(str::to_owned));
            }
            "DynamicUser" => self.is_dynamic = matches!(value, "yes" | "true" | "1" | "on"),
            "Environment" if value.is_empty() => self.assigned.clear(),
            "Environment" => {
                for word in split_words(value) {
                    if let Some((name, value)) = word.split_once('=') {
                        self.assigned.push((name.to_owned(), value.to_owned()));
                    }
                }
            }
            "EnvironmentFile" if value.is_empty() => self.from_files.clear(),
            "EnvironmentFile" => self.environment_file(value),
            "LoadCredential"
            | "LoadCredentialEncrypted"
            | "SetCredential"
            | "SetCredentialEncrypted" => {
                self.faults
                    .extend(self.credentials.assign(key, value).err());
            }
            "ExecStart" if value.is_empty() => self.config = None,
            "ExecStart" => {
                let words = split_words(value);
                let mut rest = words.iter();
                while let Some(word) = rest.next() {
                    let file = match word.strip_prefix("--config") {
                        Some("") => rest.next().map(String::as_str),
                        Some(value) => value.strip_prefix('='),
                        None => continue,
                    };
                    self.config = file.map(PathBuf::from);
                }
            }
            _ => {}
        }
    }

    fn environment_file(&mut self, value: &str) {
        let (path, is_optional) = match value.strip_prefix('-') {
            Some(path) => (path, true),
            None => (value, false),
        };
        match fs::read_to_string(path) {
            Ok(text) => {
                let lines = text.lines().map(str::trim);
                for line in lines.filter(|line| !line.starts_with(['#', ';'])) {
                    if let Some((name, value)) = line.split_once('=') {
                        let value = split_words(value).join(" ");
                        self.from_files.push((name.trim().to_owned(), value));
                    }
                }
            }
            Err(_) if is_optional => {}
            Err(source) => self.faults.push(UnitError::EnvironmentFile {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// The environment that the unit gives its service.
    pub(super) fn environment(&self) -> BTreeMap<String, String> {
        let assigned = self.assigned.iter().chain(&self.from_files);
        assigned.cloned().collect()
    }

    /// The settings file that the service is started with, if its command line names one.
    pub(super) fn config(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// Writes the credentials to a folder. Returns false if the unit has none.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(super) fn place_credentials(&mut self, folder: &Path) -> std::io::Result<bool> {
        let faults = self.credentials.place(folder)?;
        self.faults.extend(faults);
        Ok(!self.credentials.is_empty())
    }

    /// The sources of the settings as the service sees them, with its credentials in `folder`.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(super) fn source(
        &mut self,
        folder: &Path,
        file: Option<PathBuf>,
    ) -> std::io::Result<Source> {
        let has_credentials = self.place_credentials(folder)?;
        let environment = self.environment().into_iter();
        Ok(Source {
            environment: environment
                .map(|(name, value)| (name, OsString::from(value)))
                .collect(),
            credentials: has_credentials.then(|| folder.to_owned()),
            ..Source::from_process(file.or_else(|| self.config.clone()))
        })
    }

    /// Takes the faults of the unit, and adds the files of the settings that its user cannot read.
    pub(super) fn take_faults(&mut self, source: &Source) -> Vec<UnitError> {
        let mut faults = std::mem::take(&mut self.faults);
        let (uid, groups) = match self.identity() {
            Ok(identity) => identity,
            Err(fault) => {
                faults.push(fault);
                return faults;
            }
        };
        let mut files = Vec::new();
        if let Some(file) = &source.file {
            files.push(("the settings".to_owned(), file.clone()));
            files.extend(files_of(file));
        }
        for (name, value) in &source.environment {
            if name.starts_with("EXPD__") && name.to_ascii_uppercase().ends_with("_FILE") {
                files.push((name.clone(), PathBuf::from(value)));
            }
        }
        for (key, file) in files {
            let Some(reason) = unreadable(&file, uid, &groups) else {
                continue;
            };
            let shown = file.display();
            let is_secret = key.ends_with("_file") && !key.ends_with("ca_file");
            let remedy = match secret_name(&key).filter(|_| is_secret) {
                Some(name) => format!(
                    "let that user read it, or remove the key and have the unit load the secret: \
                     LoadCredential={name}:{shown}"
                ),
                None => format!("let that user read it: chgrp {} {shown}", self.group()),
            };
            faults.push(UnitError::Unreadable {
                key,
                user: self.who(),
                file,
                reason,
                remedy,
            });
        }
        faults
    }

    fn group(&self) -> &str {
        self.group
            .as_deref()
            .or(self.user.as_deref())
            .unwrap_or("root")
    }

    fn who(&self) -> String {
        match (&self.user, self.is_dynamic) {
            (_, true) => format!("the dynamic user of {}", self.name),
            (Some(user), false) => format!("the user {user} of {}", self.name),
            (None, false) => format!("root, as {} runs,", self.name),
        }
    }

    /// The user, if it is known before the start, and the groups.
    fn identity(&self) -> Result<(Option<u32>, Vec<u32>), UnitError> {
        let named = |user: &str| {
            let found = accounts::user_id(user).ok().flatten().or(user.parse().ok());
            found.ok_or_else(|| UnitError::NoUser {
                user: user.to_owned(),
            })
        };
        let uid = match (&self.user, self.is_dynamic) {
            (Some(user), false) => Some(named(user)?),
            (None, false) => Some(0),
            // A user that exists already is used as it is.
            (Some(user), true) => accounts::user_id(user).ok().flatten(),
            (None, true) => None,
        };
        let mut groups = Vec::new();
        for group in self.group.iter().chain(&self.groups) {
            let found = accounts::group_id(group).ok().flatten();
            groups.extend(found.or(group.parse().ok()));
        }
        if self.group.is_none()
            && let Some(user) = &self.user
        {
            groups.extend(accounts::group_id(user).ok().flatten());
        }
        Ok((uid, groups))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_gives_its_service_an_environment_credentials_and_a_user() {
        let mut view = UnitView::default();
        view.take(
            "[Unit]\nUser=ignored\n[Service]\nUser=kiosk\nEnvironment=A=1 \"B=two words\"\n\
             Environment=\nEnvironment=EXPD__DAEMON__LOG=debug \\\n C=3\n\
             LoadCredential=expd.default.secret:/nowhere/secret\n\
             SetCredentialEncrypted=expd.default.uuid: abc\n\
             ExecStart=/usr/bin/expd serve --config /etc/expd/other.toml\n",
        );
        assert_eq!(view.user.as_deref(), Some("kiosk"));
        let names: Vec<String> = view.environment().into_keys().collect();
        assert_eq!(names, ["C", "EXPD__DAEMON__LOG"]);
        assert!(!view.credentials.is_empty());
        assert_eq!(
            view.config.as_deref(),
            Some(Path::new("/etc/expd/other.toml"))
        );
        assert!(
            matches!(
                &view.faults[..],
                [UnitError::NoCredentialFile { path, .. }] if path == "/nowhere/secret"
            ),
            "{:?}",
            view.faults
        );
    }
}
