//! Content as a resource: its URLs, variants, bytes and children.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::content::Content;
use crate::error::ClientError;
use crate::query::Query;
use crate::resource::kind;
use crate::resource::{Found, Resource};

/// Content of EXP: a file, folder, app or URL.
pub type ContentNode = Resource<kind::Content>;

impl ContentNode {
    /// The content's `path`; empty for a folder without one.
    pub fn content_path(&self) -> &str {
        let path = self.document.get("path").and_then(Value::as_str);
        path.unwrap_or_default()
    }

    /// URL from which a page or a player loads the content by itself. Anyone who has it may read
    /// content.
    ///
    /// # Errors
    /// The daemon has not logged in yet, or the network issues no such URLs.
    pub async fn url(&self) -> Result<String, ClientError> {
        self.variant_url("").await
    }

    /// True if the content has this variant.
    pub fn has_variant(&self, name: &str) -> bool {
        let variants = self.document.get("variants").and_then(Value::as_array);
        let mut names = variants
            .into_iter()
            .flatten()
            .filter_map(|it| it.get("name"));
        names.any(|it| it.as_str() == Some(name))
    }

    /// URL of a variant, as [`url`](Self::url).
    ///
    /// # Errors
    /// As for [`url`](Self::url).
    pub async fn variant_url(&self, name: &str) -> Result<String, ClientError> {
        let client = self.exp().ready().await?;
        let instance = self.exp().instance();
        client
            .content_url(instance, self.content_path(), name)
            .await
    }

    /// The content's bytes, read in chunks.
    ///
    /// # Errors
    /// The network does not deliver it.
    pub async fn fetch(&self) -> Result<Content, ClientError> {
        let client = self.exp().ready().await?;
        let path = format!("/api/delivery{}", self.content_path());
        client
            .fetch(self.exp().instance(), &path, BTreeMap::new(), 0)
            .await
    }

    /// The content in this folder.
    ///
    /// # Errors
    /// [`ClientError::Api`] if EXP refuses it.
    pub async fn children(
        &self,
        query: impl Into<Query>,
    ) -> Result<Found<ContentNode>, ClientError> {
        let query = query.into().filter("parent", self.uuid());
        self.exp().content().find(query).await
    }
}
