//! Checks of a change of the tree, made before it.

use axum::http::StatusCode;

use super::{MAX_LEVELS, MAX_NODES, ROOT, Tree};
use crate::content_node::{Node, NodeKind, check_name, full, size, unknown};
use crate::error::ApiError;
use expd_domain::Quoted;

/// Limits of the tree: nodes of one identity, and bytes chosen by clients.
const NODES_OF_IDENTITY: usize = MAX_NODES / 2;
const MAX_NODE_BYTES: usize = 64 * 1024 * 1024;

impl Tree {
    /// Checks that a node could be created here, before its file is read.
    pub(crate) fn check_new(
        &self,
        parent: &str,
        name: &str,
        owner: Option<&str>,
    ) -> Result<(), ApiError> {
        self.check_place(parent, name, 1)?;
        let count = owner.and_then(|owner| self.by_owner.get(owner)).copied();
        if self.nodes.len() >= MAX_NODES || count.unwrap_or(0) >= NODES_OF_IDENTITY {
            return Err(full(&format!(
                "this network stores at most {MAX_NODES} nodes of content, {NODES_OF_IDENTITY} of one identity"
            )));
        }
        Ok(())
    }

    /// A node that clients may change.
    pub(super) fn editable(&self, uuid: &str) -> Result<&Node, ApiError> {
        let node = self.nodes.get(uuid);
        if uuid == ROOT || node.is_some_and(|node| node.owner.is_none()) {
            return Err(ApiError::new(
                StatusCode::CONFLICT,
                "content.fixed",
                "this is in the network's content folder; change it there",
            ));
        }
        node.ok_or_else(|| unknown(uuid))
    }

    /// Checks that a parent can take a name, and this many levels of nodes.
    pub(super) fn check_place(
        &self,
        parent: &str,
        name: &str,
        levels: usize,
    ) -> Result<(), ApiError> {
        check_name(name)?;
        let kind = self.nodes.get(parent).map(|node| &node.kind);
        if parent != ROOT && !kind.is_some_and(NodeKind::has_children) {
            return Err(ApiError::bad_request(
                "content.parent.unknown",
                format!("no folder or app has the uuid {}", Quoted(parent)),
            ));
        }
        if self.ancestors(parent).count() + 1 + levels > MAX_LEVELS {
            return Err(ApiError::bad_request(
                "content.parent.invalid",
                format!("folders are nested more than {MAX_LEVELS} levels deep"),
            ));
        }
        let names = self.children.get(parent);
        if names.is_some_and(|names| names.contains_key(name)) {
            return Err(ApiError::new(
                StatusCode::CONFLICT,
                "content.exists",
                format!("the name {} is already taken", Quoted(name)),
            ));
        }
        Ok(())
    }

    pub(super) fn check_bytes(&self, node: &Node, replaced: Option<&Node>) -> Result<(), ApiError> {
        let bytes = self.bytes + size(node) - replaced.map_or(0, size);
        if bytes > MAX_NODE_BYTES {
            return Err(full(&format!(
                "the documents of content have at most {MAX_NODE_BYTES} bytes in all"
            )));
        }
        Ok(())
    }
}
