//! Nodes of content: their kinds, their files, and the rules for each.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::ApiError;
use super::resource_store::Document;
use expd_domain::Quoted;

/// Limits of a node: bytes of its name (as in file systems), bytes of its URL.
const MAX_NAME_BYTES: usize = 255;
const MAX_URL_BYTES: usize = 8 * 1024;

pub(super) const FOLDER: &str = "scala:content:folder";
pub(super) const FILE: &str = "scala:content:file";
pub(super) const APP: &str = "scala:content:app";
pub(super) const URL: &str = "scala:content:url";

/// Fields of a document that are derived from the node and cannot be set.
const OWN_FIELDS: [&str; 10] = [
    "uuid", "name", "subtype", "parent", "path", "mimeType", "size", "variants", "url", "children",
];

/// File on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredFile {
    pub place: FileLocation,
    pub size: u64,
    pub mime: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum FileLocation {
    /// Path below the folder of the settings.
    Seed(PathBuf),
    /// File name among the uploads.
    Upload(String),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum NodeKind {
    Folder,
    App,
    Url(String),
    File {
        file: StoredFile,
        #[serde(default)]
        variants: Vec<(String, StoredFile)>,
    },
}

impl NodeKind {
    pub(super) fn subtype(&self) -> &'static str {
        match self {
            Self::Folder => FOLDER,
            Self::App => APP,
            Self::Url(_) => URL,
            Self::File { .. } => FILE,
        }
    }

    pub(super) fn has_children(&self) -> bool {
        matches!(self, Self::Folder | Self::App)
    }

    /// Uploaded files of the node.
    pub(super) fn uploads(&self) -> impl Iterator<Item = &StoredFile> {
        let (file, variants) = match self {
            Self::File { file, variants } => (Some(file), variants.as_slice()),
            _ => (None, [].as_slice()),
        };
        let all = file
            .into_iter()
            .chain(variants.iter().map(|(_, file)| file));
        all.filter(|file| matches!(file.place, FileLocation::Upload(_)))
    }
}

/// Content node; stored in this form, under its uuid.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Node {
    /// Order of creation.
    pub number: u64,
    pub parent: String,
    pub name: String,
    pub kind: NodeKind,
    /// Additional fields, set by clients.
    #[serde(default)]
    pub fields: Document,
    /// Identity that is charged for it; `None` for a seed.
    pub owner: Option<String>,
}

/// A node to be created.
pub(super) struct NewNode {
    pub parent: String,
    pub name: String,
    pub kind: NodeKind,
    pub fields: Document,
    /// Identity that creates it; `None` for a seed.
    pub owner: Option<String>,
}

/// Change of a node; `None` leaves a field as it is.
#[derive(Default)]
pub(super) struct NodeChange {
    pub parent: Option<String>,
    pub name: Option<String>,
    pub url: Option<String>,
    pub fields: Document,
    /// True if `fields` replaces all existing fields.
    pub replace: bool,
}

/// File of a removed node, and the identity that was charged for it.
pub(super) struct RemovedFile {
    pub upload: String,
    pub size: u64,
    pub owner: Option<String>,
}

pub(super) fn removed_files<'a>(
    files: impl Iterator<Item = &'a StoredFile>,
    owner: Option<&String>,
) -> Vec<RemovedFile> {
    files
        .filter_map(|file| match &file.place {
            FileLocation::Upload(upload) => Some(RemovedFile {
                upload: upload.clone(),
                size: file.size,
                owner: owner.cloned(),
            }),
            FileLocation::Seed(_) => None,
        })
        .collect()
}

/// Bytes that count for a node: those that clients chose.
pub(super) fn size(node: &Node) -> usize {
    let fields = if node.fields.is_empty() {
        0
    } else {
        serde_json::to_string(&node.fields).map_or(0, |text| text.len())
    };
    let variants = match &node.kind {
        NodeKind::Url(url) => url.len(),
        NodeKind::File { variants, .. } => variants
            .iter()
            .map(|(name, file)| name.len() + file.mime.len() + 128)
            .sum(),
        NodeKind::Folder | NodeKind::App => 0,
    };
    node.name.len() + fields + variants
}

pub(super) fn own_fields_removed(mut fields: Document) -> Document {
    fields.retain(|name, _| !OWN_FIELDS.contains(&name.as_str()));
    fields
}

/// Checks a name, which becomes a component of paths.
pub(super) fn check_name(name: &str) -> Result<(), ApiError> {
    let fits = (1..=MAX_NAME_BYTES).contains(&name.len())
        && !matches!(name, "." | "..")
        && !name.chars().any(|c| c == '/' || c.is_control());
    if fits {
        return Ok(());
    }
    Err(ApiError::bad_request(
        "content.name.invalid",
        format!(
            "a name of content has 1 to {MAX_NAME_BYTES} bytes without slashes and control characters, and is not . or .."
        ),
    ))
}

pub(super) fn full(what: &str) -> ApiError {
    ApiError::full("content.full", format!("{what}; delete something first"))
}

pub(super) fn unknown_subtype(subtype: &str) -> ApiError {
    ApiError::bad_request(
        "content.subtype.invalid",
        format!(
            "{} is not a subtype of content; use {}, {}, {} or {}",
            Quoted(subtype),
            FOLDER,
            FILE,
            APP,
            URL
        ),
    )
}

pub(super) fn check_url(url: &str) -> Result<(), ApiError> {
    if (1..=MAX_URL_BYTES).contains(&url.len()) {
        return Ok(());
    }
    Err(ApiError::bad_request(
        "content.url.invalid",
        format!("content of this subtype needs a `url` of 1 to {MAX_URL_BYTES} bytes"),
    ))
}

pub(super) fn unknown(name: &str) -> ApiError {
    ApiError::not_found(
        "content.unknown",
        format!("there is no content {}", Quoted(name)),
    )
}
