//! The writers' knowledge of the hub: the last acknowledged state of each of their things, and the
//! one write that nobody knows the fate of.

use std::collections::HashMap;

use expd_test_support::process::Home;
use reqwest::Method;
use serde_json::{Value, json};

use crate::network::Client;

/// Things of one writer; few, so that they are changed and deleted often.
const SLOTS: usize = 4;

/// Kind and number of a thing.
type Slot = (Kind, usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Data,
    Thing,
    File,
}

/// State of a slot: a version, or nothing.
type State = Option<u64>;

pub struct Writer {
    number: usize,
    version: u64,
    known: HashMap<Slot, State>,
    /// The write that broke off.
    unknown: Option<(Slot, State)>,
    /// Uuids of things and files, which their names tell, too.
    uuids: HashMap<Slot, String>,
}

impl Writer {
    pub fn new(number: usize) -> Self {
        Self {
            number,
            version: 0,
            known: HashMap::new(),
            unknown: None,
            uuids: HashMap::new(),
        }
    }

    /// Writes until the hub is killed.
    pub async fn write_until_it_breaks(&mut self, client: &Client) {
        loop {
            let kind = [Kind::Data, Kind::Thing, Kind::File][rand::random_range(0..3)];
            let slot = (kind, rand::random_range(0..SLOTS));
            let exists = self.known.get(&slot).copied().flatten().is_some();
            self.version += 1;
            let state = (!exists || rand::random_range(0..3) > 0).then_some(self.version);
            // A file is not changed: it is deleted and made again.
            let state = state.filter(|_| kind != Kind::File || !exists);
            let written = match kind {
                Kind::Data => self.write_data(client, slot, state).await,
                Kind::Thing => self.write_thing(client, slot, state).await,
                Kind::File => self.write_file(client, slot, state).await,
            };
            let Ok((status, answer)) = written else {
                self.unknown = Some((slot, state));
                return;
            };
            assert!(status < 300, "{slot:?} {state:?}: {status} {answer}");
            if let Some(uuid) = answer["uuid"].as_str() {
                self.uuids.insert(slot, uuid.to_owned());
            }
            self.known.insert(slot, state);
            client.acknowledge();
        }
    }

    fn name(&self, (_, slot): Slot) -> String {
        format!("w{}-{slot}", self.number)
    }

    async fn write_data(
        &self,
        client: &Client,
        slot: Slot,
        state: State,
    ) -> reqwest::Result<(u16, Value)> {
        let path = format!("/api/data/g/{}", self.name(slot));
        match state {
            Some(version) => {
                client
                    .try_call(Method::PUT, &path, &document(version))
                    .await
            }
            None => client.try_call(Method::DELETE, &path, &Value::Null).await,
        }
    }

    async fn write_thing(
        &self,
        client: &Client,
        slot: Slot,
        state: State,
    ) -> reqwest::Result<(u16, Value)> {
        let own = self
            .uuids
            .get(&slot)
            .map(|uuid| format!("/api/things/{uuid}"));
        let exists = self.known.get(&slot).copied().flatten().is_some();
        let body = json!({"name": self.name(slot), "value": document(state.unwrap_or(0))});
        match (own, state) {
            (Some(own), Some(_)) if exists => client.try_call(Method::PATCH, &own, &body).await,
            (Some(own), None) => client.try_call(Method::DELETE, &own, &Value::Null).await,
            _ => client.try_call(Method::POST, "/api/things", &body).await,
        }
    }

    async fn write_file(
        &self,
        client: &Client,
        slot: Slot,
        state: State,
    ) -> reqwest::Result<(u16, Value)> {
        if let Some(version) = state {
            let name = self.name(slot);
            return client.upload("root", &name, content(version)).await;
        }
        let path = format!("/api/content/{}", self.uuids[&slot]);
        client.try_call(Method::DELETE, &path, &Value::Null).await
    }

    /// Checks each thing, and takes what became of the write that broke off.
    pub async fn check(&mut self, client: &Client) {
        let unknown = self.unknown.take();
        let mut slots: Vec<Slot> = self.known.keys().copied().collect();
        slots.extend(
            unknown
                .map(|(slot, _)| slot)
                .filter(|slot| !slots.contains(slot)),
        );
        for slot in slots {
            let found = self.find(client, slot).await;
            let known = self.known.get(&slot).copied().flatten();
            let maybe = unknown
                .filter(|(of, _)| *of == slot)
                .map(|(_, state)| state);
            assert!(
                found == known || Some(found) == maybe,
                "{slot:?} of writer {}: {found:?} was found, {known:?} acknowledged, {maybe:?} under way",
                self.number
            );
            self.known.insert(slot, found);
        }
    }

    /// State of a slot at the hub, which has to be whole.
    async fn find(&mut self, client: &Client, slot: Slot) -> State {
        let name = self.name(slot);
        match slot.0 {
            Kind::Data => {
                let found = client.get(&format!("/api/data/g/{name}")).await?;
                Some(version(&found["value"]))
            }
            Kind::Thing => {
                let found = self.find_one(client, slot, "/api/things").await?;
                Some(version(&found["value"]))
            }
            Kind::File => {
                let found = self.find_one(client, slot, "/api/content").await?;
                let content = client.deliver(&format!("/{name}")).await.unwrap();
                assert_eq!(found["size"].as_u64().unwrap(), content.len() as u64);
                let version = u64::from_le_bytes(content[..8].try_into().unwrap());
                assert!(content == self::content(version), "{name} is not whole");
                Some(version)
            }
        }
    }

    async fn find_one(&mut self, client: &Client, slot: Slot, path: &str) -> Option<Value> {
        let found = client
            .get(&format!("{path}?name={}", self.name(slot)))
            .await?;
        let results = found["results"].as_array().unwrap();
        assert!(results.len() <= 1, "{found}");
        let found = results.first()?;
        let uuid = found["uuid"].as_str().unwrap().to_owned();
        self.uuids.insert(slot, uuid);
        Some(found.clone())
    }

    fn count(&self, kind: Kind) -> usize {
        let of_kind = self.known.iter().filter(|((own, _), _)| *own == kind);
        of_kind.filter(|(_, state)| state.is_some()).count()
    }
}

/// Checks that the hub has what the writers have, and no more; nor do files lie about.
pub async fn check_nothing_else(client: &Client, writers: &[Writer], home: &Home) {
    for (kind, path) in [
        (Kind::Data, "/api/data"),
        (Kind::Thing, "/api/things"),
        (Kind::File, "/api/content"),
    ] {
        let found = client.get(&format!("{path}?limit=0")).await.unwrap();
        let expected: usize = writers.iter().map(|writer| writer.count(kind)).sum();
        assert_eq!(found["total"], expected, "{kind:?}");
    }
    let files: usize = writers.iter().map(|writer| writer.count(Kind::File)).sum();
    let uploads = std::fs::read_dir(home.folder.path().join("hub.db.files")).unwrap();
    assert_eq!(uploads.count(), files);
}

/// Document of a version, of a size of its own.
fn document(version: u64) -> Value {
    let length = usize::try_from(version * 977 % 5000).unwrap();
    json!({"version": version, "fill": "x".repeat(length)})
}

fn version(document: &Value) -> u64 {
    let version = document["version"].as_u64().unwrap();
    assert_eq!(document, &self::document(version), "it is not whole");
    version
}

fn content(version: u64) -> Vec<u8> {
    let length = usize::try_from(version * 7919 % 300_000).unwrap();
    let byte = u8::try_from(version % 251).unwrap();
    let mut content = version.to_le_bytes().to_vec();
    content.resize(8 + length, byte);
    content
}
