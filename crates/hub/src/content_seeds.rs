//! Content of the folder `hub.content_dir`, found when the network starts.
//!
//! | in the folder | becomes |
//! | --- | --- |
//! | a folder | a folder; an app where it holds an `index.html` |
//! | a file | a file |
//! | a folder `NAME.variants` beside the file `NAME` | variants of that file, a file each |
//! | a file `NAME.url` | the URL `NAME`: its first line that begins no section |
//!
//! Names that begin with a dot, links and special files are skipped. The uuid of a node follows
//! from its path, so that it stays the same over restarts.

use std::fs::{self, DirEntry, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::content_node::{FileLocation, NewNode, NodeKind, StoredFile};
use super::content_tree::{MAX_LEVELS, MAX_NODES, ROOT, Tree};
use super::resource_store::Document;

/// Suffixes with a meaning.
const VARIANTS: &str = ".variants";
const SHORTCUT: &str = ".url";

/// File that makes a folder an app.
pub(super) const INDEX: &str = "index.html";

/// Maximum size of a file with a URL.
const MAX_SHORTCUT: u64 = 16 * 1024;

/// Adds the contents of a folder to the tree. Blocks on the disk.
///
/// # Errors
/// The folder itself cannot be read. Unreadable entries in it are skipped.
pub(super) fn plant(folder: &Path, tree: &mut Tree) -> io::Result<()> {
    let entries = list(folder)?;
    Planter { folder, tree }.add_all(&entries, Path::new(""), ROOT, 1);
    Ok(())
}

struct Planter<'a> {
    folder: &'a Path,
    tree: &'a mut Tree,
}

/// Directory entry whose name is valid for content.
struct SeedEntry {
    name: String,
    is_folder: bool,
}

impl Planter<'_> {
    fn add_all(&mut self, entries: &[SeedEntry], below: &Path, parent: &str, level: usize) {
        for entry in entries {
            let path = below.join(&entry.name);
            let file = entry.name.strip_suffix(VARIANTS);
            let has_file = |name: &str| entries.iter().any(|e| !e.is_folder && e.name == name);
            if entry.is_folder && file.is_some_and(has_file) {
                continue;
            }
            let added = if entry.is_folder {
                self.add_folder(&entry.name, &path, parent, level)
            } else {
                self.add_file(entries, &entry.name, &path, parent)
            };
            if let Err(error) = added {
                log::warn!(
                    "hub.content_dir: {} is not delivered: {error}",
                    self.folder.join(&path).display()
                );
            }
        }
    }

    fn add_folder(
        &mut self,
        name: &str,
        path: &Path,
        parent: &str,
        level: usize,
    ) -> Result<(), SeedError> {
        if level >= MAX_LEVELS {
            return Err(SeedError::Deep);
        }
        let entries = list(&self.folder.join(path))?;
        let is_app = entries.iter().any(|e| !e.is_folder && e.name == INDEX);
        let kind = if is_app {
            NodeKind::App
        } else {
            NodeKind::Folder
        };
        let uuid = self.add(name, path, parent, kind)?;
        self.add_all(&entries, path, &uuid, level + 1);
        Ok(())
    }

    fn add_file(
        &mut self,
        siblings: &[SeedEntry],
        name: &str,
        path: &Path,
        parent: &str,
    ) -> Result<(), SeedError> {
        if let Some(bare) = name.strip_suffix(SHORTCUT) {
            let url = read_shortcut(&self.folder.join(path))?;
            self.add(bare, path, parent, NodeKind::Url(url))?;
            return Ok(());
        }
        let file = self.file(path)?;
        let beside = format!("{name}{VARIANTS}");
        let has_variants = siblings.iter().any(|e| e.is_folder && e.name == beside);
        let mut variants = Vec::new();
        if has_variants {
            let folder = path.with_file_name(beside);
            for entry in list(&self.folder.join(&folder))? {
                if !entry.is_folder {
                    let file = self.file(&folder.join(&entry.name))?;
                    variants.push((entry.name, file));
                }
            }
        }
        self.add(name, path, parent, NodeKind::File { file, variants })?;
        Ok(())
    }

    fn file(&self, path: &Path) -> Result<StoredFile, SeedError> {
        let name = path.to_str().unwrap_or_default();
        Ok(StoredFile {
            size: fs::symlink_metadata(self.folder.join(path))?.len(),
            mime: mime_of(name),
            place: FileLocation::Seed(path.to_owned()),
        })
    }

    fn add(
        &mut self,
        name: &str,
        path: &Path,
        parent: &str,
        kind: NodeKind,
    ) -> Result<String, SeedError> {
        let uuid = uuid_of(path);
        let new = NewNode {
            parent: parent.to_owned(),
            name: name.to_owned(),
            kind,
            fields: Document::new(),
            owner: None,
        };
        self.tree
            .insert(uuid.clone(), new)
            .map_err(|error| SeedError::Refused(error.message))?;
        Ok(uuid)
    }
}

/// Content type of a file, by its name.
pub(super) fn mime_of(name: &str) -> String {
    mime_guess::from_path(name)
        .first_or_octet_stream()
        .essence_str()
        .to_owned()
}

/// Entries of a folder, sorted by name.
fn list(folder: &Path) -> io::Result<Vec<SeedEntry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)?.take(MAX_NODES) {
        let entry = entry?;
        match named(&entry) {
            Ok(Some(named)) => entries.push(named),
            Ok(None) => {}
            Err(error) => log::warn!(
                "hub.content_dir: {} is not delivered: {error}",
                entry.path().display()
            ),
        }
    }
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(entries)
}

fn named(entry: &DirEntry) -> Result<Option<SeedEntry>, SeedError> {
    let name = entry.file_name().into_string();
    let name = name.map_err(|_| SeedError::Name)?;
    if name.starts_with('.') {
        return Ok(None);
    }
    let kind = entry.file_type()?;
    if !kind.is_dir() && !kind.is_file() {
        return Err(SeedError::Link);
    }
    let is_folder = kind.is_dir();
    Ok(Some(SeedEntry { name, is_folder }))
}

fn read_shortcut(path: &PathBuf) -> Result<String, SeedError> {
    let mut text = String::new();
    File::open(path)?
        .take(MAX_SHORTCUT)
        .read_to_string(&mut text)?;
    let mut lines = text.lines().map(str::trim);
    let line = lines.find(|line| !line.is_empty() && !line.starts_with('['));
    let url = line.map(|line| line.strip_prefix("URL=").unwrap_or(line));
    url.map(str::to_owned).ok_or(SeedError::Shortcut)
}

fn uuid_of(path: &Path) -> String {
    let digest = Sha256::digest(path.to_string_lossy().as_bytes());
    let mut bytes = [0; 16];
    for (byte, of_digest) in bytes.iter_mut().zip(digest.iter()) {
        *byte = *of_digest;
    }
    uuid::Builder::from_custom_bytes(bytes)
        .into_uuid()
        .to_string()
}

#[derive(Debug, thiserror::Error)]
enum SeedError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("its name is not UTF-8")]
    Name,
    #[error("links, devices and other special files are skipped")]
    Link,
    #[error("folders are nested more than {MAX_LEVELS} levels deep")]
    Deep,
    #[error("it contains no URL")]
    Shortcut,
    #[error("{0}")]
    Refused(String),
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use serde_json::json;

    use super::*;
    use crate::content_tree::ContentTree;
    use crate::store::Store;

    #[test]
    fn a_folder_becomes_a_tree_with_the_same_uuids_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        for path in ["a/b", "app/images", "logo.png.variants", "a/x.variants"] {
            fs::create_dir_all(at(path)).unwrap();
        }
        for (path, text) in [
            ("logo.png", "logo"),
            ("logo.png.variants/320.png", "small"),
            ("app/index.html", "<p>"),
            ("app/images/i.svg", "<svg/>"),
            (
                "site.url",
                "[InternetShortcut]\r\nURL=https://example.org/\r\n",
            ),
            ("plain.url", "https://example.com"),
            ("empty.url", ""),
            (".hidden", "x"),
        ] {
            fs::write(at(path), text).unwrap();
        }
        symlink("/etc", at("link")).unwrap();
        let plant = || {
            let tree = ContentTree::new(Store::default());
            plant(folder.path(), &mut tree.lock()).unwrap();
            let tree = tree.lock();
            let document = |uuid: &str| tree.document(uuid).unwrap();
            tree.uuids().map(document).collect::<Vec<_>>()
        };
        let documents = plant();
        assert_eq!(documents, plant());
        let paths: Vec<_> = documents
            .iter()
            .map(|d| (d["path"].as_str().unwrap(), d["subtype"].as_str().unwrap()))
            .map(|(path, subtype)| (path, subtype.rsplit(':').next().unwrap()))
            .collect();
        assert_eq!(
            paths,
            [
                ("/a", "folder"),
                ("/a/b", "folder"),
                ("/a/x.variants", "folder"),
                ("/app", "app"),
                ("/app/images", "folder"),
                ("/app/images/i.svg", "file"),
                ("/app/index.html", "file"),
                ("/logo.png", "file"),
                ("/plain", "url"),
                ("/site", "url"),
            ]
        );
        assert_eq!(documents[5]["mimeType"], "image/svg+xml");
        assert_eq!(
            documents[7]["variants"],
            json!([{"name": "320.png", "mimeType": "image/png", "size": 5}])
        );
        assert_eq!(documents[8]["url"], "https://example.com");
        assert_eq!(documents[9]["url"], "https://example.org/");
    }
}
