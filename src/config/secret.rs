//! Secrets: set as K, or in a file named by `K_file`.

use std::io;
use std::path::Path;

use crate::exposure;
use expd_domain::Secret;

use super::keys::FILE_SUFFIX;
use super::section::Section;
use super::text_file::{LARGEST_SECRET, read_text, trimmed};

/// Reads the secret `name` of a section, from its own key or from its file.
pub(super) fn read(section: &mut Section<'_>, name: &str) -> Option<Secret> {
    let file_key = format!("{name}{FILE_SUFFIX}");
    if section.is_set(name) && section.is_set(&file_key) {
        section.mistake(
            name,
            format!("both {name} and {file_key} are set"),
            "keep one of them",
        );
        return None;
    }
    if section.is_set(name) {
        return section.secret_text(name).map(Secret::new);
    }
    let path = section.path(&file_key)?;
    let text = match read_text(&path, LARGEST_SECRET) {
        Ok(text) => text,
        Err(error) => {
            let remedy = match error.kind() {
                io::ErrorKind::NotFound => "create the file, or correct the path",
                io::ErrorKind::PermissionDenied => {
                    "let the daemon's user read it (chown, chmod 0600), or use systemd's LoadCredential="
                }
                _ => "name a file that holds the secret as text",
            };
            section.mistake(
                &file_key,
                format!("cannot read {}: {error}", path.display()),
                remedy,
            );
            return None;
        }
    };
    for exposure in [exposure::readable(&path), exposure::changeable(&path)]
        .into_iter()
        .flatten()
    {
        section.warning(&file_key, exposure.to_string(), exposure.remedy());
    }
    let secret = trimmed(&text);
    section.note(&file_key, secret);
    if secret.is_empty() {
        section.mistake(
            &file_key,
            format!("{} is empty", path.display()),
            "put the secret into it",
        );
        return None;
    }
    Some(Secret::new(secret))
}

/// A required secret, in either form.
pub(super) fn required(section: &mut Section<'_>, name: &str) -> Option<Secret> {
    let file = format!("{name}{FILE_SUFFIX}");
    if !section.is_set(name) && !section.is_set(&file) {
        section.missing(name, format!("set it or {file}"));
    }
    read(section, name)
}

/// A required secret, in either form, or as the systemd credential of this name.
pub(super) fn named(
    section: &mut Section<'_>,
    name: &str,
    credential: Option<String>,
    credentials: Option<&Path>,
) -> Option<Secret> {
    let is_set = section.is_set(name) || section.is_set(&format!("{name}{FILE_SUFFIX}"));
    let path = credentials
        .zip(credential)
        .map(|(folder, file)| folder.join(file));
    let Some(path) = path.filter(|path| !is_set && path.exists()) else {
        return required(section, name);
    };
    match read_text(&path, LARGEST_SECRET) {
        Ok(text) => {
            let secret = trimmed(&text);
            section.note(name, secret);
            if secret.is_empty() {
                let what = format!("the credential {} is empty", path.display());
                section.mistake(name, what, "put the secret into it");
                return None;
            }
            Some(Secret::new(secret))
        }
        Err(error) => {
            let what = format!("cannot read the credential {}: {error}", path.display());
            section.mistake(name, what, "check LoadCredential= in the unit");
            None
        }
    }
}
