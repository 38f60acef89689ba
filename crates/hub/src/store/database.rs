//! The database: its tables, reading all of them, and committing changes.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};

use crate::store_error::StoreError;

/// Memory for pages of the database. Nothing is read after the start.
const CACHE: usize = 8 * 1024 * 1024;

/// Layout of the tables and of their values.
const FORMAT: &str = "1";

/// Tables; keys and values are text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Table {
    Resources,
    Data,
    Content,
    /// Secrets of devices that were paired or created with one.
    Devices,
    /// Fingerprints of configured devices that were unpaired.
    Revoked,
    Meta,
}

type Definition = TableDefinition<'static, &'static str, &'static str>;

impl Table {
    const ALL: [Self; 6] = [
        Self::Resources,
        Self::Data,
        Self::Content,
        Self::Devices,
        Self::Revoked,
        Self::Meta,
    ];

    fn definition(self) -> Definition {
        TableDefinition::new(match self {
            Self::Resources => "resources",
            Self::Data => "data",
            Self::Content => "content",
            Self::Devices => "devices",
            Self::Revoked => "revoked",
            Self::Meta => "meta",
        })
    }
}

/// Rows of all tables at the start, sorted by key.
#[derive(Default)]
pub(crate) struct Contents(HashMap<Table, Vec<(String, String)>>);

impl Contents {
    pub(crate) fn take(&mut self, table: Table) -> Vec<(String, String)> {
        self.0.remove(&table).unwrap_or_default()
    }
}

/// Changes of one transaction. There is one for each key, so its size is bounded by the limits of
/// the parts, and by one key for each request while a commit is in progress.
#[derive(Default)]
pub(super) struct Changes {
    pub(super) values: HashMap<(Table, String), Option<String>>,
    /// Files to remove once the changes are committed.
    pub(super) files: Vec<PathBuf>,
}

impl Changes {
    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty() && self.files.is_empty()
    }

    /// Takes back changes that could not be committed; later ones win.
    pub(super) fn put_back(&mut self, earlier: Self) {
        for (key, value) in earlier.values {
            self.values.entry(key).or_insert(value);
        }
        self.files.extend(earlier.files);
    }
}

pub(super) fn open(path: &Path) -> Result<Database, StoreError> {
    // The file contains secrets of devices.
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    let mut builder = Database::builder();
    // A damaged file is reported instead of trusted.
    builder
        .set_cache_size(CACHE)
        .set_check_integrity_on_open(true);
    builder.create(path).map_err(StoreError::database)
}

pub(super) fn read(database: &Database) -> Result<Contents, StoreError> {
    // Creates the tables, so that reading finds each of them.
    let transaction = database.begin_write().map_err(StoreError::database)?;
    {
        for table in Table::ALL {
            transaction
                .open_table(table.definition())
                .map_err(StoreError::database)?;
        }
        let mut meta = transaction
            .open_table(Table::Meta.definition())
            .map_err(StoreError::database)?;
        let format = meta.get("format").map_err(StoreError::database)?;
        let format = format.map(|format| format.value().to_owned());
        match format.as_deref() {
            Some(FORMAT) => {}
            None => {
                meta.insert("format", FORMAT)
                    .map_err(StoreError::database)?;
            }
            Some(other) => return Err(StoreError::Format(other.chars().take(16).collect())),
        }
    }
    transaction.commit().map_err(StoreError::database)?;

    let transaction = database.begin_read().map_err(StoreError::database)?;
    let mut contents = HashMap::new();
    for table in Table::ALL {
        let opened = transaction
            .open_table(table.definition())
            .map_err(StoreError::database)?;
        let mut rows = Vec::new();
        for row in opened.iter().map_err(StoreError::database)? {
            let (key, value) = row.map_err(StoreError::database)?;
            rows.push((key.value().to_owned(), value.value().to_owned()));
        }
        contents.insert(table, rows);
    }
    Ok(Contents(contents))
}

/// Commits changes as one transaction. After a failure, the database refuses everything until it is
/// reopened, which the next call does.
pub(super) fn commit(
    database: &mut Option<Database>,
    path: &Path,
    changes: &Changes,
) -> Result<(), StoreError> {
    let opened = match database.take() {
        Some(opened) => opened,
        None => open(path)?,
    };
    write(&opened, changes)?;
    *database = Some(opened);
    Ok(())
}

fn write(database: &Database, changes: &Changes) -> Result<(), StoreError> {
    if changes.values.is_empty() {
        return Ok(());
    }
    let transaction = database.begin_write().map_err(StoreError::database)?;
    for table in Table::ALL {
        let mut opened = transaction
            .open_table(table.definition())
            .map_err(StoreError::database)?;
        let of_table = changes.values.iter().filter(|((of, _), _)| *of == table);
        for ((_, key), value) in of_table {
            match value {
                Some(value) => opened.insert(key.as_str(), value.as_str()),
                None => opened.remove(key.as_str()),
            }
            .map_err(StoreError::database)?;
        }
    }
    transaction.commit().map_err(StoreError::database)
}

pub(super) fn remove(files: &[PathBuf]) {
    for file in files {
        if let Err(error) = fs::remove_file(file)
            && error.kind() != io::ErrorKind::NotFound
        {
            log::warn!("cannot remove {}: {error}", file.display());
        }
    }
}
