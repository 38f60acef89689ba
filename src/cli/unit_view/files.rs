//! Files that settings name, and whether a user can read them.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::access::accounts;

/// Mode bits of others; those of group and owner are the same, shifted.
const READ: u32 = 0o4;
const PASS: u32 = 0o1;

/// The files that a settings file names: values of keys that end with `_file`, with their keys.
pub(super) fn files_of(file: &Path) -> Vec<(String, PathBuf)> {
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

/// Name of the credential that can replace a secret's file.
pub(super) fn secret_name(key: &str) -> Option<String> {
    let rest = key.strip_prefix("instances.")?;
    let (instance, secret) = rest.split_once(".credentials.")?;
    Some(format!("expd.{instance}.{}", secret.strip_suffix("_file")?))
}

/// Reason why a user cannot read a file; none if it can. Access control lists are not considered.
pub(super) fn unreadable(file: &Path, uid: Option<u32>, groups: &[u32]) -> Option<String> {
    if uid == Some(0) {
        return None;
    }
    let allowed = |path: &Path, bit: u32| match fs::metadata(path) {
        // The check of the settings reports missing files.
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
