//! State on disk at the start: the database, and the content.

use std::path::{Path, PathBuf};

use super::content_files::ContentFiles;
use super::content_seeds;
use super::content_tree::ContentTree;
use super::error::HubError;
use super::settings::HubSettings;
use super::store::{Contents, Store, Table};

/// Suffix of the folder of uploads, beside the store.
const UPLOADS: &str = ".files";

/// Paths on disk, from the settings.
pub(super) struct DiskPlaces {
    store: Option<PathBuf>,
    content_dir: Option<PathBuf>,
    content_bytes: u64,
}

/// State that was read from disk.
pub(super) struct Disk {
    pub store: Store,
    pub contents: Contents,
    pub content: ContentTree,
    pub content_files: ContentFiles,
}

impl DiskPlaces {
    pub(super) fn new(settings: &HubSettings) -> Self {
        Self {
            store: settings.store.clone(),
            content_dir: settings.content_dir.clone(),
            content_bytes: settings.content_bytes,
        }
    }

    /// Reads everything. Blocks on the disk.
    ///
    /// # Errors
    /// The store or the content folder cannot be used.
    pub(super) fn read(&self) -> Result<Disk, HubError> {
        let (store, mut contents) = self.open_store()?;
        let (content, content_files) = self.content(&store, &mut contents)?;
        Ok(Disk {
            store,
            contents,
            content,
            content_files,
        })
    }

    /// Opens the database of the settings, if there is one.
    fn open_store(&self) -> Result<(Store, Contents), HubError> {
        let Some(path) = &self.store else {
            return Ok((Store::default(), Contents::default()));
        };
        Store::open(path).map_err(|source| HubError::Store {
            path: path.clone(),
            source,
        })
    }

    /// Content from the folder and the store.
    fn content(
        &self,
        store: &Store,
        contents: &mut Contents,
    ) -> Result<(ContentTree, ContentFiles), HubError> {
        let folder = self.content_dir.as_deref();
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| HubError::Content { path, source }
        };
        let content = ContentTree::new(store.clone());
        if let Some(folder) = folder {
            content_seeds::plant(folder, &mut content.lock()).map_err(failed(folder))?;
        }
        content.lock().restore(contents.take(Table::Content));
        let uploads = self.store.as_ref().map(|store| {
            let mut path = store.clone().into_os_string();
            path.push(UPLOADS);
            PathBuf::from(path)
        });
        let shown = uploads.as_deref().or(folder).unwrap_or(Path::new(""));
        let budget = self.content_bytes;
        let files = ContentFiles::open(folder, uploads.clone(), budget, store.clone());
        let files = files.map_err(failed(shown))?;
        files
            .settle(content.lock().uploads())
            .map_err(failed(shown))?;
        Ok((content, files))
    }
}
