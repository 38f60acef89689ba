//! Secrets: written as K, or in a file named by `K_file`.

use std::io;

use crate::exposure;
use expd_domain::Secret;

use super::file::read_text;
use super::keys::FILE_SUFFIX;
use super::section::Section;

/// The largest secret that is read from a file; real ones have some ten bytes.
pub(super) const LARGEST: u64 = 64 << 10;

/// A secret's text without the one newline that editors and `echo` leave at the end.
pub(super) fn trimmed(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

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
    let text = match read_text(&path, LARGEST) {
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
