//! Resources of EXP: documents with a uuid, in collections.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::Deserialize;
use serde_json::{Map, Value};

use expd_domain::{Channel, Payload};

use crate::channel::ChannelHandle;
use crate::error::ClientError;
use crate::exp::Exp;
use crate::query::{Query, segment};

/// Fields of a document.
pub type Document = Map<String, Value>;

/// Kinds of resources.
pub mod kind {
    pub(crate) trait Sealed {}

    /// A kind of resource: exactly the types of this module.
    #[allow(private_bounds)]
    pub trait ResourceKind: Sealed {
        /// Path of its collection.
        const PATH: &'static str;
    }

    macro_rules! kinds {
        ($($(#[$doc:meta])* $name:ident = $path:literal;)*) => {
            $($(#[$doc])* #[derive(Clone, Copy, Debug)] pub struct $name;
            impl Sealed for $name {}
            impl ResourceKind for $name { const PATH: &'static str = $path; })*
        };
    }

    kinds! {
        /// A screen or another device.
        Device = "/api/devices";
        /// A thing that is not a device, such as a beacon.
        Thing = "/api/things";
        /// An experience: what devices show.
        Experience = "/api/experiences";
        /// A location, with its zones.
        Location = "/api/locations";
        /// A feed of a connector.
        Feed = "/api/connectors/feeds";
        /// Content: a file, folder, app or URL.
        Content = "/api/content";
        /// A person.
        User = "/api/users";
    }
}

use kind::ResourceKind;

/// A resource: its document, which can be changed and saved.
pub struct Resource<K> {
    exp: Exp,
    /// The fields. Changes are sent by [`save`](Self::save).
    pub document: Document,
    /// The fields as EXP has them, as far as is known.
    saved: Document,
    kind: PhantomData<K>,
}

/// A screen or another device.
pub type Device = Resource<kind::Device>;
/// A thing that is not a device, such as a beacon.
pub type Thing = Resource<kind::Thing>;
/// An experience: what devices show.
pub type Experience = Resource<kind::Experience>;
/// A location, with its zones.
pub type Location = Resource<kind::Location>;
/// A feed of a connector.
pub type Feed = Resource<kind::Feed>;
/// A person.
pub type User = Resource<kind::User>;

impl<K> Clone for Resource<K> {
    fn clone(&self) -> Self {
        Self {
            exp: self.exp.clone(),
            document: self.document.clone(),
            saved: self.saved.clone(),
            kind: PhantomData,
        }
    }
}

/// Prints the uuid only: documents belong to the apps.
impl<K> fmt::Debug for Resource<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let uuid = text(&self.document, "uuid");
        f.debug_tuple("Resource").field(&uuid).finish()
    }
}

/// A text field of a document.
fn text<'a>(document: &'a Document, field: &str) -> Option<&'a str> {
    document.get(field).and_then(Value::as_str)
}

/// A text field inside an object of a document.
pub(crate) fn text_at<'a>(document: &'a Document, path: [&str; 2]) -> Option<&'a str> {
    let [outer, inner] = path;
    document.get(outer)?.get(inner)?.as_str()
}

/// Reads a response as a document.
pub(crate) fn object(answer: &Payload, what: &str) -> Result<Document, ClientError> {
    serde_json::from_str(answer.as_str())
        .map_err(|error| ClientError::Contract(format!("EXP's answer is no {what}: {error}")))
}

impl<K: ResourceKind> Resource<K> {
    pub(crate) fn new(exp: Exp, document: Document) -> Self {
        Self {
            exp,
            saved: document.clone(),
            document,
            kind: PhantomData,
        }
    }

    /// Its uuid; empty if the document has none.
    pub fn uuid(&self) -> &str {
        text(&self.document, "uuid").unwrap_or_default()
    }

    /// Its name; empty if the document has none.
    pub fn name(&self) -> &str {
        text(&self.document, "name").unwrap_or_default()
    }

    /// Changes the name; [`save`](Self::save) sends it.
    pub fn set_name(&mut self, name: impl Into<String>) {
        self.document.insert("name".to_owned(), name.into().into());
    }

    /// Its subtype, such as `scala:content:file`; empty if the document has none.
    pub fn subtype(&self) -> &str {
        text(&self.document, "subtype").unwrap_or_default()
    }

    /// The identity that reads and writes it.
    pub fn exp(&self) -> &Exp {
        &self.exp
    }

    /// Saves the changes: only the changed fields, so that concurrent changes of others are kept;
    /// the whole document if a field was removed. Without changes, nothing is sent.
    ///
    /// # Errors
    /// [`ClientError::Api`] if EXP refuses it.
    pub async fn save(&mut self) -> Result<(), ClientError> {
        let is_removed = |field: &String| !self.document.contains_key(field);
        let (method, body) = if self.saved.keys().any(is_removed) {
            ("PUT", self.document.clone())
        } else {
            let changed = self.document.iter();
            let changed = changed.filter(|(field, value)| self.saved.get(*field) != Some(value));
            let changed = changed.map(|(field, value)| (field.clone(), value.clone()));
            ("PATCH", changed.collect())
        };
        if body.is_empty() {
            return Ok(());
        }
        let body = Payload::from(Value::Object(body));
        let answer = self
            .exp
            .call(method, &self.path(), Query::new(), Some(&body))
            .await?;
        // EXP may respond to a change without the document.
        if answer.as_str() == "null" {
            self.saved.clone_from(&self.document);
            return Ok(());
        }
        self.take(object(&answer, "document")?);
        Ok(())
    }

    /// Reads the document again; unsaved changes are lost.
    ///
    /// # Errors
    /// [`ClientError::Api`] with status 404 if it is gone.
    pub async fn refresh(&mut self) -> Result<(), ClientError> {
        let answer = self.exp.get(&self.path(), ()).await?;
        self.take(object(&answer, "document")?);
        Ok(())
    }

    /// Deletes it at EXP.
    ///
    /// # Errors
    /// [`ClientError::Api`] if EXP refuses it.
    pub async fn delete(&self) -> Result<(), ClientError> {
        self.exp.delete(&self.path()).await.map(drop)
    }

    /// Its channel, named by its uuid.
    pub fn channel(&self) -> ChannelHandle {
        self.exp.channel(self.uuid())
    }

    /// Its system channel, on which EXP sends `update` when it changes.
    pub fn system_channel(&self) -> ChannelHandle {
        self.exp.channel(Channel::new(self.uuid()).system())
    }

    fn take(&mut self, document: Document) {
        self.saved.clone_from(&document);
        self.document = document;
    }

    fn path(&self) -> String {
        format!("{}/{}", K::PATH, segment(self.uuid()))
    }
}

/// Search results: a list, with the total number of matches.
#[derive(Clone, Debug)]
pub struct Found<T> {
    /// The results of this search.
    pub results: Vec<T>,
    /// Number of all matches, including those beyond the search's limit.
    pub total: u64,
}

impl<T> Deref for Found<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.results
    }
}

impl<T> IntoIterator for Found<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.results.into_iter()
    }
}

/// Reads the response to a search.
pub(crate) fn found<T>(
    answer: &Payload,
    make: impl FnMut(Document) -> T,
) -> Result<Found<T>, ClientError> {
    /// The form of EXP's collections.
    #[derive(Deserialize)]
    struct Answer {
        total: Option<u64>,
        results: Vec<Document>,
    }
    let answer: Answer = serde_json::from_str(answer.as_str()).map_err(|error| {
        ClientError::Contract(format!("EXP's answer is no collection: {error}"))
    })?;
    Ok(Found {
        total: answer.total.unwrap_or(answer.results.len() as u64),
        results: answer.results.into_iter().map(make).collect(),
    })
}

/// All resources of a kind.
#[derive(Clone, Debug)]
pub struct Collection<K> {
    exp: Exp,
    kind: PhantomData<K>,
}

impl<K: ResourceKind> Collection<K> {
    /// The resource with this uuid; `None` if there is none.
    ///
    /// # Errors
    /// [`ClientError::Api`] if EXP refuses it.
    pub async fn get(&self, uuid: &str) -> Result<Option<Resource<K>>, ClientError> {
        if uuid.is_empty() {
            return Ok(None);
        }
        let path = format!("{}/{}", K::PATH, segment(uuid));
        let Some(answer) = self.exp.call_for_one(&path).await? else {
            return Ok(None);
        };
        let document = object(&answer, "document")?;
        Ok(Some(Resource::new(self.exp.clone(), document)))
    }

    /// The matching resources: `find(())`, `find([("name", "lobby")])`,
    /// `find(Query::new().limit(5))`.
    ///
    /// # Errors
    /// [`ClientError::Api`] if EXP refuses it.
    pub async fn find(&self, query: impl Into<Query>) -> Result<Found<Resource<K>>, ClientError> {
        let answer = self.exp.get(K::PATH, query).await?;
        found(&answer, |document| {
            Resource::new(self.exp.clone(), document)
        })
    }

    /// Creates a resource with these fields: `create(json!({"name": "lobby"}))`.
    ///
    /// # Errors
    /// [`ClientError::Api`] if EXP refuses it.
    pub async fn create(&self, document: impl Into<Payload>) -> Result<Resource<K>, ClientError> {
        let answer = self.exp.post(K::PATH, document).await?;
        let document = object(&answer, "document")?;
        Ok(Resource::new(self.exp.clone(), document))
    }

    /// Deletes the resource with this uuid.
    ///
    /// # Errors
    /// [`ClientError::Api`] if EXP refuses it, or there is none.
    pub async fn delete(&self, uuid: &str) -> Result<(), ClientError> {
        let path = format!("{}/{}", K::PATH, segment(uuid));
        self.exp.delete(&path).await.map(drop)
    }
}

impl Exp {
    fn collection<K>(&self) -> Collection<K> {
        Collection {
            exp: self.clone(),
            kind: PhantomData,
        }
    }

    /// Devices.
    pub fn devices(&self) -> Collection<kind::Device> {
        self.collection()
    }

    /// Things.
    pub fn things(&self) -> Collection<kind::Thing> {
        self.collection()
    }

    /// Experiences.
    pub fn experiences(&self) -> Collection<kind::Experience> {
        self.collection()
    }

    /// Locations, with their zones.
    pub fn locations(&self) -> Collection<kind::Location> {
        self.collection()
    }

    /// Feeds of connectors.
    pub fn feeds(&self) -> Collection<kind::Feed> {
        self.collection()
    }

    /// Content: files, folders, apps and URLs. The top folder is `root`.
    pub fn content(&self) -> Collection<kind::Content> {
        self.collection()
    }
}

impl Feed {
    /// The feed's data.
    ///
    /// # Errors
    /// [`ClientError::Api`] if EXP refuses it.
    pub async fn data(&self, query: impl Into<Query>) -> Result<Payload, ClientError> {
        let path = format!("{}/data", self.path());
        self.exp.get(&path, query).await
    }
}
