//! Places: a device's location, zones and experience, and the resources at each.

use serde_json::Value;

use expd_domain::Payload;

use crate::channel::ChannelHandle;
use crate::error::ClientError;
use crate::exp::Exp;
use crate::query::{Query, segment};
use crate::resource::kind::{self, ResourceKind};
use crate::resource::{Device, Document, Experience, Found, Location, Resource, Thing, text_at};

/// A zone of a location, which is part of the location's document.
#[derive(Clone, Debug)]
pub struct Zone {
    location: Location,
    key: String,
    /// Its fields. Changes are sent by [`save`](Self::save).
    pub document: Document,
}

/// The zones of a location's document.
fn zones_in(document: &Document) -> impl Iterator<Item = (&str, &Document)> {
    let zones = document.get("zones").and_then(Value::as_array);
    zones.into_iter().flatten().filter_map(|zone| {
        let zone = zone.as_object()?;
        Some((zone.get("key")?.as_str()?, zone))
    })
}

impl Zone {
    /// Its key, unique in its location.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Its name; empty if it has none.
    pub fn name(&self) -> &str {
        let name = self.document.get("name").and_then(Value::as_str);
        name.unwrap_or_default()
    }

    /// Changes the name; [`save`](Self::save) sends it.
    pub fn set_name(&mut self, name: impl Into<String>) {
        self.document.insert("name".to_owned(), name.into().into());
    }

    /// Its location.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// The devices in it.
    ///
    /// # Errors
    /// [`ClientError::Api`] if EXP refuses it.
    pub async fn devices(&self, query: impl Into<Query>) -> Result<Found<Device>, ClientError> {
        self.location.exp().devices().find(self.here(query)).await
    }

    /// The things in it.
    ///
    /// # Errors
    /// [`ClientError::Api`] if EXP refuses it.
    pub async fn things(&self, query: impl Into<Query>) -> Result<Found<Thing>, ClientError> {
        self.location.exp().things().find(self.here(query)).await
    }

    fn here(&self, query: impl Into<Query>) -> Query {
        let query = query.into().filter("location.uuid", self.location.uuid());
        query.filter("location.zones.key", self.key.clone())
    }

    /// Saves the zone within its location as that currently is.
    ///
    /// # Errors
    /// [`ClientError::Api`] if EXP refuses it, [`ClientError::Request`] if the location no longer
    /// has such a zone.
    pub async fn save(&mut self) -> Result<(), ClientError> {
        self.location.refresh().await?;
        let zones = self.location.document.get_mut("zones");
        let zones = zones.and_then(Value::as_array_mut).into_iter().flatten();
        let mut same =
            zones.filter(|zone| zone.get("key").and_then(Value::as_str) == Some(&*self.key));
        let Some(zone) = same.next() else {
            return Err(self.is_gone());
        };
        *zone = Value::Object(self.document.clone());
        self.location.save().await?;
        self.take()
    }

    /// Reads the zone again; unsaved changes are lost.
    ///
    /// # Errors
    /// As for [`save`](Self::save).
    pub async fn refresh(&mut self) -> Result<(), ClientError> {
        self.location.refresh().await?;
        self.take()
    }

    fn take(&mut self) -> Result<(), ClientError> {
        let mut zones = zones_in(&self.location.document);
        let Some((_, zone)) = zones.find(|(key, _)| *key == self.key) else {
            return Err(self.is_gone());
        };
        self.document = zone.clone();
        Ok(())
    }

    fn is_gone(&self) -> ClientError {
        let (key, location) = (&self.key, self.location.uuid());
        ClientError::Request(format!("location {location} has no zone {key} any more"))
    }

    /// Its channel, `LOCATION_UUID:zone:KEY`.
    pub fn channel(&self) -> ChannelHandle {
        let name = format!("{}:zone:{}", self.location.uuid(), self.key);
        self.location.exp().channel(name)
    }
}

impl Location {
    /// Its zones, as in its document.
    pub fn zones(&self) -> Vec<Zone> {
        let zones = zones_in(&self.document).map(|(key, document)| Zone {
            location: self.clone(),
            key: key.to_owned(),
            document: document.clone(),
        });
        zones.collect()
    }

    /// The devices at it.
    ///
    /// # Errors
    /// [`ClientError::Api`] if EXP refuses it.
    pub async fn devices(&self, query: impl Into<Query>) -> Result<Found<Device>, ClientError> {
        let query = query.into().filter("location.uuid", self.uuid());
        self.exp().devices().find(query).await
    }

    /// The things at it.
    ///
    /// # Errors
    /// [`ClientError::Api`] if EXP refuses it.
    pub async fn things(&self, query: impl Into<Query>) -> Result<Found<Thing>, ClientError> {
        let query = query.into().filter("location.uuid", self.uuid());
        self.exp().things().find(query).await
    }

    /// URL of its layout, which a page loads by itself. Anyone who has it may read content.
    ///
    /// # Errors
    /// The daemon has not logged in yet, or the network issues no such URLs.
    pub async fn layout_url(&self) -> Result<String, ClientError> {
        let path = format!("{}/{}/layout", kind::Location::PATH, segment(self.uuid()));
        let client = self.exp().ready().await?;
        client.content_url(self.exp().instance(), &path, "").await
    }
}

impl Experience {
    /// The devices that show it.
    ///
    /// # Errors
    /// [`ClientError::Api`] if EXP refuses it.
    pub async fn devices(&self, query: impl Into<Query>) -> Result<Found<Device>, ClientError> {
        let query = query.into().filter("experience.uuid", self.uuid());
        self.exp().devices().find(query).await
    }
}

async fn location_of<K: ResourceKind>(it: &Resource<K>) -> Result<Option<Location>, ClientError> {
    let uuid = text_at(&it.document, ["location", "uuid"]).unwrap_or_default();
    it.exp().locations().get(uuid).await
}

async fn zones_of<K: ResourceKind>(it: &Resource<K>) -> Result<Vec<Zone>, ClientError> {
    let Some(location) = location_of(it).await? else {
        return Ok(Vec::new());
    };
    let named = it.document.get("location").and_then(Value::as_object);
    let named: Vec<&str> = named
        .into_iter()
        .flat_map(zones_in)
        .map(|(key, _)| key)
        .collect();
    let mut zones = location.zones();
    zones.retain(|zone| named.contains(&zone.key()));
    Ok(zones)
}

async fn experience_of<K: ResourceKind>(
    it: &Resource<K>,
) -> Result<Option<Experience>, ClientError> {
    let uuid = text_at(&it.document, ["experience", "uuid"]).unwrap_or_default();
    it.exp().experiences().get(uuid).await
}

macro_rules! placed {
    ($($kind:ident),*) => {$(
        impl $kind {
            /// Its location, if it has one.
            ///
            /// # Errors
            /// [`ClientError::Api`] if EXP refuses it.
            pub async fn location(&self) -> Result<Option<Location>, ClientError> {
                location_of(self).await
            }

            /// The zones that it is in.
            ///
            /// # Errors
            /// [`ClientError::Api`] if EXP refuses it.
            pub async fn zones(&self) -> Result<Vec<Zone>, ClientError> {
                zones_of(self).await
            }

            /// Its experience, if it has one.
            ///
            /// # Errors
            /// [`ClientError::Api`] if EXP refuses it.
            pub async fn experience(&self) -> Result<Option<Experience>, ClientError> {
                experience_of(self).await
            }
        }
    )*};
}

placed!(Device, Thing);

impl Exp {
    /// The device that this identity is; `None` for users, consumer apps and unpaired devices.
    ///
    /// # Errors
    /// [`ClientError::Api`] if EXP refuses it.
    pub async fn current_device(&self) -> Result<Option<Device>, ClientError> {
        let identity = self.identity().await?;
        if identity.kind != expd_domain::IdentityKind::Device || !identity.paired {
            return Ok(None);
        }
        self.devices().get(&identity.uuid).await
    }

    /// The current device's experience.
    ///
    /// # Errors
    /// [`ClientError::Api`] if EXP refuses it.
    pub async fn current_experience(&self) -> Result<Option<Experience>, ClientError> {
        match self.current_device().await? {
            Some(device) => device.experience().await,
            None => Ok(None),
        }
    }

    /// The current device's location.
    ///
    /// # Errors
    /// [`ClientError::Api`] if EXP refuses it.
    pub async fn current_location(&self) -> Result<Option<Location>, ClientError> {
        match self.current_device().await? {
            Some(device) => device.location().await,
            None => Ok(None),
        }
    }

    /// The current device's zones.
    ///
    /// # Errors
    /// [`ClientError::Api`] if EXP refuses it.
    pub async fn current_zones(&self) -> Result<Vec<Zone>, ClientError> {
        match self.current_device().await? {
            Some(device) => device.zones().await,
            None => Ok(Vec::new()),
        }
    }

    /// The user that this identity is; `None` for devices and consumer apps.
    ///
    /// # Errors
    /// [`ClientError::Api`] if EXP refuses it.
    pub async fn current_user(&self) -> Result<Option<Resource<kind::User>>, ClientError> {
        if self.identity().await?.kind != expd_domain::IdentityKind::User {
            return Ok(None);
        }
        let path = format!("{}/current", kind::User::PATH);
        let Some(answer): Option<Payload> = self.call_for_one(&path).await? else {
            return Ok(None);
        };
        let document = crate::resource::object(&answer, "document")?;
        Ok(Some(Resource::new(self.clone(), document)))
    }
}
