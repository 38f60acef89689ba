//! Restores the tree from the store.

use std::collections::HashMap;

use super::{ROOT, Tree};
use crate::content_node::Node;
use expd_domain::Quoted;

impl Tree {
    /// Restores nodes from the store. A node whose folder is gone, or whose name is taken by
    /// another node, is moved.
    pub(crate) fn restore(&mut self, records: Vec<(String, String)>) {
        let mut by_parent = HashMap::<String, Vec<(String, Node)>>::new();
        for (uuid, record) in records {
            match serde_json::from_str::<Node>(&record) {
                Ok(node) => by_parent
                    .entry(node.parent.clone())
                    .or_default()
                    .push((uuid, node)),
                Err(error) => {
                    log::error!("invalid content {} in the store: {error}", Quoted(&uuid));
                }
            }
        }
        let mut parents: Vec<String> = self.nodes.keys().cloned().collect();
        parents.push(ROOT.to_owned());
        loop {
            while let Some(parent) = parents.pop() {
                for (uuid, node) in by_parent.remove(&parent).unwrap_or_default() {
                    parents.push(uuid.clone());
                    self.restore_one(uuid, node);
                }
            }
            // The parent of these was a folder of the settings.
            let Some(lost) = by_parent.keys().next().cloned() else {
                return;
            };
            for (uuid, node) in by_parent.remove(&lost).unwrap_or_default() {
                parents.push(uuid.clone());
                self.restore_one(uuid, node);
            }
        }
    }

    fn restore_one(&mut self, uuid: String, mut node: Node) {
        if self.check_place(&node.parent, &node.name, 1).is_err() {
            let own = format!("{} ({uuid})", node.name);
            log::warn!(
                "content {} moved to /{own}: its folder cannot hold it",
                Quoted(&node.name),
            );
            ROOT.clone_into(&mut node.parent);
            node.name = own;
        }
        // Seeds may have been given the same numbers.
        if self.by_number.contains_key(&node.number) {
            node.number = self.last + 1;
        }
        self.link(uuid, node);
    }
}
