//! Tree of content: folders, files, apps and URLs below the folder `root`, in memory.
//!
//! A node is found by its uuid and by its path. Nodes from the folder of the settings mirror that
//! folder; clients change the others, which are kept in the store.

mod checks;
mod restore;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard};

use serde_json::{Value, json};

use super::content_node::{
    FOLDER, NewNode, Node, NodeChange, NodeKind, RemovedFile, StoredFile, check_name, check_url,
    full, own_fields_removed, removed_files, size, unknown,
};
use super::error::ApiError;
use super::resource_store::Document;
use super::store::{Store, Table};
use expd_server::lock::lock;

/// The folder that always exists.
pub(super) const ROOT: &str = "root";

/// Limits of the tree: nodes in total, levels of folders, variants of a file.
pub(super) const MAX_NODES: usize = 20_000;
pub(super) const MAX_LEVELS: usize = 32;
const MAX_VARIANTS: usize = 64;

pub(super) struct ContentTree(Mutex<Tree>);

/// The lock is held while a change is broadcast.
pub(super) struct Tree {
    nodes: HashMap<String, Node>,
    /// Uuids of the children by name.
    children: HashMap<String, BTreeMap<String, String>>,
    by_number: BTreeMap<u64, String>,
    last: u64,
    bytes: usize,
    by_owner: HashMap<String, usize>,
    store: Store,
}

impl ContentTree {
    /// An empty tree, which keeps its changes in the store.
    pub(super) fn new(store: Store) -> Self {
        Self(Mutex::new(Tree {
            nodes: HashMap::new(),
            children: HashMap::new(),
            by_number: BTreeMap::new(),
            last: 0,
            bytes: 0,
            by_owner: HashMap::new(),
            store,
        }))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Tree> {
        lock(&self.0)
    }
}

impl Tree {
    pub(super) fn get(&self, uuid: &str) -> Option<&Node> {
        self.nodes.get(uuid)
    }

    /// Uuids in order of creation, without the root.
    pub(super) fn uuids(&self) -> impl Iterator<Item = &str> {
        self.by_number.values().map(String::as_str)
    }

    /// Uuids of the children of a node, by name.
    pub(super) fn children(&self, uuid: &str) -> impl Iterator<Item = &str> {
        let children = self.children.get(uuid).into_iter().flatten();
        children.map(|(_, uuid)| uuid.as_str())
    }

    /// True for nodes below an app.
    pub(super) fn is_in_app(&self, uuid: &str) -> bool {
        self.ancestors(uuid)
            .any(|(_, ancestor)| matches!(ancestor.kind, NodeKind::App))
    }

    /// Finds a node by the names along its path.
    pub(super) fn resolve<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Option<(&str, &Node)> {
        let mut uuid = ROOT;
        for name in names {
            uuid = self.children.get(uuid)?.get(name)?;
        }
        Some((uuid, self.nodes.get(uuid)?))
    }

    pub(super) fn path(&self, uuid: &str) -> String {
        let Some(node) = self.nodes.get(uuid) else {
            return "/".to_owned();
        };
        let mut names: Vec<&str> = vec![&node.name];
        names.extend(self.ancestors(uuid).map(|(_, node)| node.name.as_str()));
        names.push("");
        names.reverse();
        names.join("/")
    }

    /// Document of a node, as clients see it.
    pub(super) fn document(&self, uuid: &str) -> Option<Document> {
        let mut document = Document::new();
        let mut set = |name: &str, value: Value| document.insert(name.to_owned(), value);
        if uuid == ROOT {
            set("uuid", json!(ROOT));
            set("name", json!(ROOT));
            set("subtype", json!(FOLDER));
            set("path", json!("/"));
            return Some(document);
        }
        let node = self.nodes.get(uuid)?;
        set("uuid", json!(uuid));
        set("name", json!(node.name));
        set("subtype", json!(node.kind.subtype()));
        set("parent", json!(node.parent));
        set("path", json!(self.path(uuid)));
        match &node.kind {
            NodeKind::Folder | NodeKind::App => {}
            NodeKind::Url(url) => {
                set("url", json!(url));
            }
            NodeKind::File { file, variants } => {
                set("mimeType", json!(file.mime));
                set("size", json!(file.size));
                if !variants.is_empty() {
                    let variant = |(name, file): &(String, StoredFile)| json!({"name": name, "mimeType": file.mime, "size": file.size});
                    set("variants", variants.iter().map(variant).collect());
                }
            }
        }
        document.extend(node.fields.clone());
        Some(document)
    }

    /// Creates a node under this uuid.
    pub(super) fn insert(&mut self, uuid: String, new: NewNode) -> Result<(), ApiError> {
        self.check_new(&new.parent, &new.name, new.owner.as_deref())?;
        if let NodeKind::Url(url) = &new.kind {
            check_url(url)?;
        }
        let node = Node {
            number: self.last + 1,
            parent: new.parent,
            name: new.name,
            kind: new.kind,
            fields: own_fields_removed(new.fields),
            owner: new.owner,
        };
        self.check_bytes(&node, None)?;
        self.keep(&uuid, &node);
        self.link(uuid, node);
        Ok(())
    }

    pub(super) fn change(&mut self, uuid: &str, change: NodeChange) -> Result<(), ApiError> {
        let old = self.editable(uuid)?.clone();
        let mut node = old.clone();
        if let Some(name) = change.name {
            node.name = name;
        }
        if let Some(parent) = change.parent {
            node.parent = parent;
        }
        if let (NodeKind::Url(url), Some(new)) = (&mut node.kind, change.url) {
            check_url(&new)?;
            *url = new;
        }
        if change.replace {
            node.fields.clear();
        }
        node.fields.extend(own_fields_removed(change.fields));
        if (&node.parent, &node.name) != (&old.parent, &old.name) {
            let inside =
                node.parent == uuid || self.ancestors(&node.parent).any(|(own, _)| own == uuid);
            if inside {
                return Err(ApiError::bad_request(
                    "content.parent.invalid",
                    "a folder cannot be moved into itself",
                ));
            }
            self.check_place(&node.parent, &node.name, self.height(uuid))?;
        }
        self.check_bytes(&node, Some(&old))?;
        self.keep(uuid, &node);
        self.unlink(uuid);
        self.link(uuid.to_owned(), node);
        Ok(())
    }

    /// Adds a variant to a file, or replaces the one of this name, which is returned.
    pub(super) fn add_variant(
        &mut self,
        uuid: &str,
        name: String,
        file: StoredFile,
    ) -> Result<Vec<RemovedFile>, ApiError> {
        check_name(&name)?;
        let old = self.editable(uuid)?.clone();
        let mut node = old.clone();
        let NodeKind::File { variants, .. } = &mut node.kind else {
            return Err(ApiError::bad_request(
                "content.variant.invalid",
                "only files have variants",
            ));
        };
        let replaced = variants.iter().position(|(own, _)| *own == name);
        let replaced = replaced.map(|at| variants.remove(at).1);
        if variants.len() >= MAX_VARIANTS {
            return Err(full(&format!("a file has at most {MAX_VARIANTS} variants")));
        }
        variants.push((name, file));
        self.check_bytes(&node, Some(&old))?;
        self.keep(uuid, &node);
        self.unlink(uuid);
        self.link(uuid.to_owned(), node);
        Ok(removed_files(replaced.iter(), old.owner.as_ref()))
    }

    /// Uuid of the file that a variant is for.
    pub(super) fn file_named(&self, parent: &str, name: &str) -> Result<&str, ApiError> {
        let uuid = self.children.get(parent).and_then(|names| names.get(name));
        let uuid = uuid.ok_or_else(|| unknown(name))?;
        self.editable(uuid)?;
        Ok(uuid)
    }

    /// Removes a node and its subtree: returns their uuids, its own last, and their uploads.
    pub(super) fn remove(
        &mut self,
        uuid: &str,
    ) -> Result<(Vec<String>, Vec<RemovedFile>), ApiError> {
        self.editable(uuid)?;
        let mut found = vec![uuid.to_owned()];
        let mut next = 0;
        while let Some(parent) = found.get(next) {
            let below: Vec<String> = self.children(parent).map(str::to_owned).collect();
            found.extend(below);
            next += 1;
        }
        found.reverse();
        let mut files = Vec::new();
        for uuid in &found {
            if let Some(node) = self.unlink(uuid) {
                files.extend(removed_files(node.kind.uploads(), node.owner.as_ref()));
            }
        }
        self.store.put_all(
            Table::Content,
            found.iter().map(|uuid| (uuid.clone(), None)),
        );
        Ok((found, files))
    }

    /// Uploads that nodes refer to, with the identity that is charged for each.
    pub(super) fn uploads(&self) -> impl Iterator<Item = (&StoredFile, Option<&str>)> {
        self.nodes.values().flat_map(|node| {
            let owner = node.owner.as_deref();
            node.kind.uploads().map(move |file| (file, owner))
        })
    }

    /// Ancestors of a node, without the root.
    fn ancestors(&self, uuid: &str) -> impl Iterator<Item = (&str, &Node)> {
        let mut parent = self.nodes.get(uuid).map(|node| node.parent.as_str());
        std::iter::from_fn(move || {
            let uuid = parent?;
            let node = self.nodes.get(uuid)?;
            parent = Some(&node.parent);
            Some((uuid, node))
        })
    }

    /// Number of levels of a node with its subtree.
    fn height(&self, uuid: &str) -> usize {
        let below = self.children(uuid).map(|uuid| self.height(uuid));
        below.max().unwrap_or(0) + 1
    }

    /// Keeps a node in the store, unless it is a seed, which is read again at the next start.
    fn keep(&self, uuid: &str, node: &Node) {
        if node.owner.is_some()
            && let Ok(record) = serde_json::to_string(node)
        {
            self.store.put(Table::Content, uuid, Some(record));
        }
    }

    fn link(&mut self, uuid: String, node: Node) {
        self.last = self.last.max(node.number);
        self.bytes += size(&node);
        if let Some(owner) = &node.owner {
            *self.by_owner.entry(owner.clone()).or_default() += 1;
        }
        let siblings = self.children.entry(node.parent.clone()).or_default();
        siblings.insert(node.name.clone(), uuid.clone());
        self.by_number.insert(node.number, uuid.clone());
        self.nodes.insert(uuid, node);
    }

    fn unlink(&mut self, uuid: &str) -> Option<Node> {
        let node = self.nodes.remove(uuid)?;
        self.by_number.remove(&node.number);
        self.bytes -= size(&node);
        if let Some(siblings) = self.children.get_mut(&node.parent) {
            siblings.remove(&node.name);
            if siblings.is_empty() {
                self.children.remove(&node.parent);
            }
        }
        if let Some(owner) = &node.owner
            && let Some(count) = self.by_owner.get_mut(owner)
        {
            *count -= 1;
            if *count == 0 {
                self.by_owner.remove(owner);
            }
        }
        Some(node)
    }
}

#[cfg(test)]
mod tests;
