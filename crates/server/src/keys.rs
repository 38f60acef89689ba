//! Keys in files that only their owner can read.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::token::hex;
use expd_domain::Secret;

/// Maximum size of a key file.
const MAX_KEY_FILE: u64 = 4096;

const MIN_KEY_LENGTH: usize = 16;

/// Reads a key file; `None` if there is none.
///
/// # Errors
/// The file cannot be read, or contains no key.
pub fn read_key(path: &Path) -> io::Result<Option<Secret>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut text = String::new();
    file.take(MAX_KEY_FILE).read_to_string(&mut text)?;
    let text = text.trim();
    if text.len() < MIN_KEY_LENGTH {
        let what = format!(
            "it contains no key of at least {MIN_KEY_LENGTH} characters; remove it to get a new one"
        );
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    Ok(Some(Secret::new(text)))
}

/// Reads the key in a file, or creates the file with a random key, readable by its owner only.
///
/// # Errors
/// The file cannot be read or written, or contains no key.
pub fn read_or_create(path: &Path) -> io::Result<Secret> {
    if let Some(key) = read_key(path)? {
        return Ok(key);
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let key = random();
    let draft = path.with_extension(format!("{}.new", hex(&rand::random::<[u8; 8]>())));
    let written = write(&draft, &key).and_then(|()| fs::hard_link(&draft, path));
    let removed = fs::remove_file(&draft);
    match written {
        // Another process created it first.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        written => written?,
    }
    removed?;
    read_key(path)?.ok_or_else(|| io::ErrorKind::NotFound.into())
}

fn write(path: &Path, key: &Secret) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{}", key.expose())?;
    file.sync_all()
}

#[must_use]
pub fn random() -> Secret {
    Secret::new(hex(&rand::random::<[u8; 32]>()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub").join("operator.key");
        let key = read_or_create(&path).unwrap();
        assert_eq!(key.expose().len(), 64);
        assert_eq!(read_or_create(&path).unwrap(), key);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_without_a_key_is_no_key() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = read_key(file.path()).unwrap_err();
        assert!(error.to_string().contains("no key"), "{error}");
        assert!(read_key(Path::new("/nonexistent/key")).unwrap().is_none());
    }
}
