//! A systemd unit's view of the settings: its environment, its credentials, and the user who reads
//! the files.
//!
//! The text of the unit is what counts: `systemctl cat` where a manager runs, else the unit's file
//! and its drop-ins. Specifiers (`%…`) are not expanded.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::failure::Failure;
use crate::access::accounts;
use crate::config::Source;

/// Folders of units, in the order in which systemd looks.
const FOLDERS: [&str; 4] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// Folders of credentials that a unit names without a path.
const STORES: [&str; 3] = ["/etc/credstore", "/run/credstore", "/usr/lib/credstore"];

/// Mode bits of others, as those of group and owner are shifted.
const READ: u32 = 0o4;
const PASS: u32 = 0o1;

/// Environment, credentials and user that a unit gives its service.
#[derive(Debug, Default)]
pub(super) struct UnitView {
    /// The unit's name, for messages.
    name: String,
    user: Option<String>,
    group: Option<String>,
    groups: Vec<String>,
    is_dynamic: bool,
    environment: Vec<(String, String)>,
    /// Names of credentials, each with its source; none for one that only the manager can read.
    credentials: Vec<(String, Option<PathBuf>)>,
    /// The settings file of the command line.
    config: Option<PathBuf>,
    /// Faults of the unit itself.
    faults: Vec<String>,
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
            "Environment" if value.is_empty() => self.environment.clear(),
            "Environment" => {
                for word in words(value) {
                    if let Some((name, value)) = word.split_once('=') {
                        self.environment.push((name.to_owned(), value.to_owned()));
                    }
                }
            }
            "EnvironmentFile" => self.environment_file(value),
            "LoadCredential"
            | "LoadCredentialEncrypted"
            | "SetCredential"
            | "SetCredentialEncrypted" => self.credential(key, value),
            "ExecStart" => {
                let words = words(value);
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
                        let value = words(value).join(" ");
                        self.environment.push((name.trim().to_owned(), value));
                    }
                }
            }
            Err(_) if is_optional => {}
            Err(error) => self.faults.push(format!(
                "EnvironmentFile={path} cannot be read: {error}; create it, or write \
                 EnvironmentFile=-{path}"
            )),
        }
    }

    fn credential(&mut self, key: &str, value: &str) {
        let (name, source) = value.split_once(':').unwrap_or((value, ""));
        if name.is_empty() {
            self.credentials.clear();
            return;
        }
        let file = match (key, source) {
            ("LoadCredential", "") => STORES
                .iter()
                .map(|store| Path::new(store).join(name))
                .find(|file| file.exists()),
            ("LoadCredential", path) if path.starts_with('/') => {
                let file = PathBuf::from(path);
                if !file.exists() {
                    self.faults.push(format!(
                        "LoadCredential={value}: there is no {path}, so that the unit does not \
                         start; create it, or take the line out"
                    ));
                }
                Some(file)
            }
            ("LoadCredentialEncrypted", "") => return,
            _ => {
                self.credentials.push((name.to_owned(), None));
                return;
            }
        };
        // A credential that is nowhere is passed over, as systemd does.
        if let Some(file) = file {
            self.credentials.push((name.to_owned(), Some(file)));
        }
    }

    /// The sources of the settings as the service has them. Credentials are linked to in `folder`.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(super) fn source(&self, folder: &Path, file: Option<PathBuf>) -> std::io::Result<Source> {
        for (name, source) in &self.credentials {
            let link = folder.join(name);
            match source {
                // A later line of the unit replaces an earlier one.
                _ if link.symlink_metadata().is_ok() => {}
                Some(source) => std::os::unix::fs::symlink(source, link)?,
                // Its value is the manager's alone; that it is set is what counts.
                None => fs::write(link, "(encrypted)")?,
            }
        }
        let environment = self.environment.iter();
        Ok(Source {
            environment: environment
                .map(|(name, value)| (name.clone(), OsString::from(value)))
                .collect(),
            credentials: (!self.credentials.is_empty()).then(|| folder.to_owned()),
            ..Source::from_process(file.or_else(|| self.config.clone()))
        })
    }

    /// Faults of the unit, and files of the settings that its user cannot read.
    pub(super) fn faults(&self, source: &Source) -> Vec<String> {
        let mut faults = self.faults.clone();
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
            let who = self.who();
            let file = file.display();
            let is_secret = key.ends_with("_file") && !key.ends_with("ca_file");
            let remedy = match secret_name(&key).filter(|_| is_secret) {
                Some(name) => format!(
                    "let that user read it, or take the key out and have the unit bring the \
                     secret: LoadCredential={name}:{file}"
                ),
                None => format!("let that user read it: chgrp {} {file}", self.group()),
            };
            faults.push(format!(
                "{key}: {who} cannot read {file} ({reason}); {remedy}"
            ));
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

    /// The user, where it is known before the start, and the groups.
    fn identity(&self) -> Result<(Option<u32>, Vec<u32>), String> {
        let named = |user: &str| {
            let found = accounts::user_id(user).ok().flatten().or(user.parse().ok());
            let remedy = "create it (systemd-sysusers), or name another one";
            found.ok_or_else(|| format!("User={user}: there is no such user; {remedy}"))
        };
        let uid = match (&self.user, self.is_dynamic) {
            (Some(user), false) => Some(named(user)?),
            (None, false) => Some(0),
            // One that is static already is taken as it is.
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

/// The text of a unit with its drop-ins.
fn text_of(unit: &str) -> Option<String> {
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
    // The first folders win.
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

/// The words of a value: separated by spaces, with quotes around those that hold some.
fn words(value: &str) -> Vec<String> {
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

/// The files that a settings file names: values of keys that end with `_file`, with their keys.
fn files_of(file: &Path) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    if let Some(table) = fs::read_to_string(file)
        .ok()
        .and_then(|text| text.parse().ok())
    {
        collect(&table, "", &mut found);
    }
    found
}

fn collect(table: &toml::Table, prefix: &str, found: &mut Vec<(String, PathBuf)>) {
    for (name, value) in table {
        let key = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        match value {
            toml::Value::Table(table) => collect(table, &key, found),
            toml::Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    if let toml::Value::Table(table) = item {
                        collect(table, &format!("{key}[{index}]"), found);
                    }
                }
            }
            toml::Value::String(path) if name.ends_with("_file") => {
                found.push((key, PathBuf::from(path)));
            }
            _ => {}
        }
    }
}

/// The credential that may take the place of a secret's file.
fn secret_name(key: &str) -> Option<String> {
    let rest = key.strip_prefix("instances.")?;
    let (instance, secret) = rest.split_once(".credentials.")?;
    Some(format!("expd.{instance}.{}", secret.strip_suffix("_file")?))
}

/// Why a user cannot read a file; none where it can. Access lists beyond the mode are not seen.
fn unreadable(file: &Path, uid: Option<u32>, groups: &[u32]) -> Option<String> {
    if uid == Some(0) {
        return None;
    }
    let allowed = |path: &Path, bit: u32| match fs::metadata(path) {
        // Whether it is there at all, the check of the settings tells.
        Err(_) => true,
        Ok(found) => {
            let shift = if uid == Some(found.uid()) {
                6
            } else if groups.contains(&found.gid()) {
                3
            } else {
                0
            };
            found.mode() >> shift & bit != 0
        }
    };
    let describe = |path: &Path| {
        let found = fs::metadata(path).ok()?;
        let owner = accounts::user_name(found.uid()).unwrap_or_else(|| found.uid().to_string());
        let mode = found.mode() & 0o7777;
        Some(format!(
            "{} belongs to {owner}, mode {mode:04o}",
            path.display()
        ))
    };
    let real = fs::canonicalize(file).ok()?;
    let folders = real.ancestors().skip(1);
    if let Some(folder) = folders.filter(|folder| !allowed(folder, PASS)).last() {
        return describe(folder);
    }
    if allowed(&real, READ) {
        None
    } else {
        describe(&real)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

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
        let names: Vec<&str> = view.environment.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["EXPD__DAEMON__LOG", "C"]);
        assert_eq!(view.credentials.len(), 2);
        assert_eq!(
            view.config.as_deref(),
            Some(Path::new("/etc/expd/other.toml"))
        );
        assert!(
            view.faults[0].contains("there is no /nowhere/secret"),
            "{:?}",
            view.faults
        );
    }

    #[test]
    fn a_file_is_readable_by_owner_group_or_all() {
        let folder = tempfile::tempdir().unwrap();
        let open = std::fs::Permissions::from_mode;
        fs::set_permissions(folder.path(), open(0o755)).unwrap();
        let file = folder.path().join("secret");
        fs::write(&file, "s").unwrap();
        let (uid, gid) = {
            let found = fs::metadata(&file).unwrap();
            (found.uid(), found.gid())
        };
        for (mode, groups, user, readable) in [
            (0o600, vec![], Some(uid + 1), false),
            (0o640, vec![gid], Some(uid + 1), true),
            (0o640, vec![], None, false),
            (0o644, vec![], None, true),
        ] {
            fs::set_permissions(&file, open(mode)).unwrap();
            let reason = unreadable(&file, user, &groups);
            assert_eq!(reason.is_none(), readable, "{mode:o}: {reason:?}");
        }
    }
}
