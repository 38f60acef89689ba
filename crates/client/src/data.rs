//! Data items: JSON values by group and key.

use serde_json::Value;

use expd_domain::Payload;

use crate::channel::ChannelHandle;
use crate::error::ClientError;
use crate::exp::Exp;
use crate::query::{Query, segment};
use crate::resource::{Document, Found, found, object};

const PATH: &str = "/api/data";

/// Group of a data item without an explicit one.
pub const DEFAULT_GROUP: &str = "default";

/// All data items.
#[derive(Clone, Debug)]
pub struct DataItems(Exp);

/// A data item.
#[derive(Clone, Debug)]
pub struct Data {
    exp: Exp,
    group: String,
    key: String,
    /// The value. A change is sent by [`save`](Self::save).
    pub value: Value,
    document: Document,
}

fn path_of(group: &str, key: &str) -> String {
    format!("{PATH}/{}/{}", segment(group), segment(key))
}

impl Exp {
    /// Data items.
    pub fn data(&self) -> DataItems {
        DataItems(self.clone())
    }
}

impl DataItems {
    /// The item of this group and key; `None` if there is none.
    ///
    /// # Errors
    /// [`ClientError::Api`] if EXP refuses it.
    pub async fn get(&self, group: &str, key: &str) -> Result<Option<Data>, ClientError> {
        let answer = self.0.call_for_one(&path_of(group, key)).await?;
        answer
            .map(|answer| Ok(self.item(group, key, object(&answer, "data item")?)))
            .transpose()
    }

    /// The matching items of all groups.
    ///
    /// # Errors
    /// [`ClientError::Api`] if EXP refuses it.
    pub async fn find(&self, query: impl Into<Query>) -> Result<Found<Data>, ClientError> {
        let answer = self.0.get(PATH, query).await?;
        found(&answer, |document| {
            let text = |field| {
                document
                    .get(field)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            };
            let (group, key) = (text("group").to_owned(), text("key").to_owned());
            self.item(&group, &key, document)
        })
    }

    /// Creates an item, replacing any with the same group and key.
    ///
    /// # Errors
    /// [`ClientError::Api`] if EXP refuses it.
    pub async fn create(
        &self,
        group: &str,
        key: &str,
        value: impl Into<Payload>,
    ) -> Result<Data, ClientError> {
        let answer = self.0.put(&path_of(group, key), value).await?;
        Ok(self.item(group, key, object(&answer, "data item")?))
    }

    /// Deletes the item of this group and key.
    ///
    /// # Errors
    /// [`ClientError::Api`] if EXP refuses it, or there is none.
    pub async fn delete(&self, group: &str, key: &str) -> Result<(), ClientError> {
        self.0.delete(&path_of(group, key)).await.map(drop)
    }

    fn item(&self, group: &str, key: &str, document: Document) -> Data {
        Data {
            exp: self.0.clone(),
            group: group.to_owned(),
            key: key.to_owned(),
            value: document.get("value").cloned().unwrap_or_default(),
            document,
        }
    }
}

impl Data {
    /// Its group.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// Its key, unique in its group.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Its document, as EXP last sent it.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Saves the value.
    ///
    /// # Errors
    /// [`ClientError::Api`] if EXP refuses it.
    pub async fn save(&mut self) -> Result<(), ClientError> {
        let answer = self.exp.put(&self.path(), self.value.clone()).await?;
        self.take(&answer)
    }

    /// Reads the item again; unsaved changes are lost.
    ///
    /// # Errors
    /// [`ClientError::Api`] with status 404 if it is gone.
    pub async fn refresh(&mut self) -> Result<(), ClientError> {
        let answer = self.exp.get(&self.path(), ()).await?;
        self.take(&answer)
    }

    /// Deletes it at EXP.
    ///
    /// # Errors
    /// [`ClientError::Api`] if EXP refuses it.
    pub async fn delete(&self) -> Result<(), ClientError> {
        self.exp.delete(&self.path()).await.map(drop)
    }

    /// Its channel, `data:KEY:GROUP`.
    pub fn channel(&self) -> ChannelHandle {
        self.exp
            .channel(format!("data:{}:{}", self.key, self.group))
    }

    fn take(&mut self, answer: &Payload) -> Result<(), ClientError> {
        self.document = object(answer, "data item")?;
        self.value = self.document.get("value").cloned().unwrap_or_default();
        Ok(())
    }

    fn path(&self) -> String {
        path_of(&self.group, &self.key)
    }
}
