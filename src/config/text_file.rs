//! Files that hold settings or a secret, read with a bound and wiped from memory afterwards.

use std::fs::{File, Metadata};
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use zeroize::Zeroizing;

/// Attempts to read a file while it is being written.
const TRIES: usize = 3;

/// Size limit of a file with a secret; real ones have tens of bytes.
pub(super) const LARGEST_SECRET: u64 = 64 << 10;

/// A secret's text without the one newline that editors and `echo` leave at its end.
pub(super) fn trimmed(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

/// Reads a text file of at most `largest` bytes, again if it changes meanwhile.
pub(super) fn read_settled(path: &Path, largest: u64) -> io::Result<Zeroizing<String>> {
    let mut file = File::open(path)?;
    for _ in 0..TRIES {
        let before = state(&file.metadata()?);
        let text = read_limited(&mut file, largest)?;
        if before == state(&file.metadata()?) {
            return Ok(text);
        }
        file.rewind()?;
    }
    Err(io::Error::new(
        io::ErrorKind::ResourceBusy,
        "the file is being written",
    ))
}

/// Length and change times of a regular file, which identify its state. `None` for a pipe.
fn state(metadata: &Metadata) -> Option<(u64, [i64; 4])> {
    metadata.is_file().then(|| {
        let times = [
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ctime(),
            metadata.ctime_nsec(),
        ];
        (metadata.len(), times)
    })
}

/// Reads a text file of at most `largest` bytes, which may contain secrets.
pub(super) fn read_text(path: &Path, largest: u64) -> io::Result<Zeroizing<String>> {
    read_limited(&mut File::open(path)?, largest)
}

fn read_limited(file: &mut File, largest: u64) -> io::Result<Zeroizing<String>> {
    // Growing the text would leave copies of it in freed memory.
    let length = file.metadata()?.len().min(largest);
    let room = usize::try_from(length).unwrap_or_default();
    let mut text = Zeroizing::new(String::with_capacity(room + 1));
    file.take(largest + 1).read_to_string(&mut text)?;
    if text.len() as u64 > largest {
        let message = format!("it is larger than {largest} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(text)
}
