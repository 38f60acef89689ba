//! `expd devices`, `things`, `experiences`, `locations`, `feeds`: EXP's resources by their uuids.

use std::collections::{BTreeMap, BTreeSet};

use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use super::calls::{Calls, Found, segment};
use super::daemon_socket::DaemonSocket;
use super::editing::{DocumentChange, parse_object};
use super::failure::Failure;
use super::flags::InstanceFlag;
use super::listen::Listen;
use super::output::{self, Output, printable};
use super::payload;
use super::table;
use expd_domain::Payload;

/// Longest text of a cell, in characters.
const MAX_CELL: usize = 60;

/// A kind of resource.
#[derive(Clone, Copy, Debug)]
pub(super) enum Collection {
    Devices,
    Things,
    Experiences,
    Locations,
    Feeds,
    Content,
}

impl Collection {
    fn path(self) -> &'static str {
        match self {
            Self::Devices => "/api/devices",
            Self::Things => "/api/things",
            Self::Experiences => "/api/experiences",
            Self::Locations => "/api/locations",
            Self::Feeds => "/api/connectors/feeds",
            Self::Content => "/api/content",
        }
    }

    fn one(self, uuid: &str) -> String {
        format!("{}/{}", self.path(), segment(uuid))
    }

    /// Columns of the table.
    fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Content => &["name", "uuid", "subtype", "path"],
            _ => &["name", "uuid", "subtype"],
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  expd devices list name=lobby --sort name
  expd devices create '{\"name\": \"lobby\"}'
  expd devices edit UUID '{\"name\": \"entrance\"}'    null removes a field; without JSON: $EDITOR
  expd devices watch UUID                            the document at each change")]
pub(super) struct Resources {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(List),
    Get(Get),
    Create(Create),
    Edit(Edit),
    Delete(Delete),
    Watch(Watch),
}

/// List resources: a table, or with --json one document per line
#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    find: Find,
    #[command(flatten)]
    instance: InstanceFlag,
}

/// Options of a search in a collection.
#[derive(Debug, Args)]
pub(super) struct Find {
    /// Only those with this field value, as in name=lobby or location.uuid=UUID
    #[arg(value_name = "FIELD=VALUE", value_parser = filter)]
    filters: Vec<(String, String)>,
    /// Limit to N
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Skip the first N
    #[arg(long, value_name = "N")]
    skip: Option<u64>,
    /// Sort by this field; -FIELD reverses the order
    #[arg(long, value_name = "FIELD", allow_hyphen_values = true)]
    sort: Option<String>,
    /// Print documents as JSON, one per line
    #[arg(long)]
    json: bool,
}

/// Print a resource as JSON
#[derive(Debug, Args)]
pub(super) struct Get {
    pub(super) uuid: String,
    #[command(flatten)]
    pub(super) instance: InstanceFlag,
}

/// Create a resource, and print it
#[derive(Debug, Args)]
pub(super) struct Create {
    /// Document: JSON, @FILE, or - for standard input [default: {}]
    #[arg(value_name = "JSON")]
    document: Option<String>,
    #[command(flatten)]
    instance: InstanceFlag,
}

/// Change a resource in place, and print it
///
/// JSON is a merge patch (RFC 7396: objects are merged, null removes); the rest stays. Without
/// JSON, opens the document in $VISUAL or $EDITOR.
#[derive(Debug, Args)]
pub(super) struct Edit {
    uuid: String,
    /// Change: JSON, @FILE, or - for standard input
    #[arg(value_name = "JSON")]
    change: Option<String>,
    #[command(flatten)]
    instance: InstanceFlag,
}

/// Delete a resource
#[derive(Debug, Args)]
pub(super) struct Delete {
    uuid: String,
    #[command(flatten)]
    instance: InstanceFlag,
}

/// Print a resource at each change (its `update`s), as JSON; null after its deletion
#[derive(Debug, Args)]
pub(super) struct Watch {
    uuid: String,
    /// Exit after N changes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    #[command(flatten)]
    instance: InstanceFlag,
}

/// Error of parsing a filter.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a filter is FIELD=VALUE")]
struct NotAFilter;

fn filter(text: &str) -> Result<(String, String), NotAFilter> {
    text.split_once('=')
        .filter(|(field, _)| !field.is_empty())
        .map(|(field, value)| (field.to_owned(), value.to_owned()))
        .ok_or(NotAFilter)
}

impl Resources {
    pub(super) async fn run(
        self,
        collection: Collection,
        socket: DaemonSocket,
    ) -> Result<(), Failure> {
        match self.command {
            Command::List(list) => list.run(collection, socket).await,
            Command::Get(get) => get.run(collection, socket).await,
            Command::Create(create) => create.run(collection, socket).await,
            Command::Edit(edit) => edit.run(collection, socket).await,
            Command::Delete(delete) => delete.run(collection, socket).await,
            Command::Watch(watch) => watch.run(socket).await,
        }
    }
}

impl List {
    pub(super) async fn run(
        self,
        collection: Collection,
        socket: DaemonSocket,
    ) -> Result<(), Failure> {
        let query = self.find.query()?;
        let calls = Calls::connect(socket, &self.instance).await?;
        let found = calls.find(collection.path(), query).await?;
        self.find.print(&found, collection.columns()).await
    }
}

impl Find {
    pub(super) fn query(&self) -> Result<BTreeMap<String, String>, Failure> {
        let mut query = BTreeMap::new();
        let numbers = [("limit", self.limit), ("skip", self.skip)];
        let numbers = numbers
            .into_iter()
            .filter_map(|(name, number)| Some((name.to_owned(), number?.to_string())));
        let sort = self
            .sort
            .iter()
            .map(|sort| ("sort".to_owned(), sort.clone()));
        for (field, value) in numbers.chain(sort).chain(self.filters.iter().cloned()) {
            if query.insert(field.clone(), value).is_some() {
                return Err(Failure::Usage(format!("{field} is given twice")));
            }
        }
        Ok(query)
    }

    /// Prints the results, as documents or as a table.
    pub(super) async fn print(&self, found: &Found, columns: &[&str]) -> Result<(), Failure> {
        let mut output = Output::new();
        if self.json {
            for document in &found.results {
                output.payload(document).await?;
            }
        } else {
            let rows: Vec<Vec<String>> = found
                .results
                .iter()
                .map(|document| cells(document, columns))
                .collect();
            for line in table::lines(columns, rows) {
                output.text(&line).await?;
            }
        }
        let shown = found.results.len() as u64;
        match found.total {
            Some(total) if total > shown && (!self.json || output::is_watched()) => {
                output::note(format_args!("{shown} of {total}"));
            }
            None | Some(_) if shown == 0 && !self.json => output::note("none found"),
            None | Some(_) => {}
        }
        Ok(())
    }
}

/// The cells of a document's row; those of missing fields are empty.
fn cells(document: &Payload, columns: &[&str]) -> Vec<String> {
    let fields: BTreeMap<String, Payload> =
        serde_json::from_str(document.as_str()).unwrap_or_default();
    let cell = |name: &&str| {
        let Some(value) = fields.get(*name) else {
            return String::new();
        };
        let text = serde_json::from_str::<String>(value.as_str());
        let text = text.unwrap_or_else(|_| value.as_str().to_owned());
        let short: String = text.chars().take(MAX_CELL).collect();
        let cut = if short.len() < text.len() { "…" } else { "" };
        format!("{}{cut}", printable(&short))
    };
    columns.iter().map(cell).collect()
}

impl Get {
    pub(super) async fn run(
        self,
        collection: Collection,
        socket: DaemonSocket,
    ) -> Result<(), Failure> {
        let calls = Calls::connect(socket, &self.instance).await?;
        let document = calls.get(&collection.one(&self.uuid)).await?;
        Output::new().payload(&document).await
    }
}

impl Create {
    pub(super) async fn run(
        self,
        collection: Collection,
        socket: DaemonSocket,
    ) -> Result<(), Failure> {
        let document = match &self.document {
            Some(_) => payload::read(self.document.as_deref())?,
            None => Payload::from(Value::Object(Map::new())),
        };
        let calls = Calls::connect(socket, &self.instance).await?;
        let (path, query) = (collection.path(), BTreeMap::new());
        let created = calls.send("POST", path, query, Some(&document)).await?;
        Output::new().payload(&created).await
    }
}

impl Edit {
    pub(super) async fn run(
        self,
        collection: Collection,
        socket: DaemonSocket,
    ) -> Result<(), Failure> {
        let change = DocumentChange::read(self.change.as_deref())?;
        let calls = Calls::connect(socket, &self.instance).await?;
        let path = collection.one(&self.uuid);
        let before = calls.get(&path).await?;
        let Some(after) = change.apply(&before)? else {
            output::note("nothing changed");
            return Output::new().payload(&before).await;
        };
        let (before, after) = (parse_object(&before)?, parse_object(&after)?);
        let (method, body) = difference(&before, after);
        let body = Payload::from(Value::Object(body));
        let changed = calls
            .send(method, &path, BTreeMap::new(), Some(&body))
            .await?;
        Output::new().payload(&changed).await
    }
}

/// Smallest request that turns `before` into `after`: only the changed fields, so that changes by
/// others meanwhile survive; the whole document if a field is removed.
fn difference(
    before: &Map<String, Value>,
    after: Map<String, Value>,
) -> (&'static str, Map<String, Value>) {
    let kept: BTreeSet<&String> = after.keys().collect();
    if before.keys().any(|field| !kept.contains(field)) {
        return ("PUT", after);
    }
    let changed = after
        .into_iter()
        .filter(|(field, value)| before.get(field) != Some(value));
    ("PATCH", changed.collect())
}

impl Delete {
    pub(super) async fn run(
        self,
        collection: Collection,
        socket: DaemonSocket,
    ) -> Result<(), Failure> {
        let calls = Calls::connect(socket, &self.instance).await?;
        let path = collection.one(&self.uuid);
        calls.send("DELETE", &path, BTreeMap::new(), None).await?;
        Ok(())
    }
}

impl Watch {
    pub(super) async fn run(self, socket: DaemonSocket) -> Result<(), Failure> {
        let updates = Listen::updates(self.uuid, self.count, self.instance);
        updates.run(socket).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> Map<String, Value> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn only_what_changed_is_sent() {
        let before = object(r#"{"uuid":"u","name":"a","n":1.00,"x":{"y":1}}"#);
        let (method, body) = difference(
            &before,
            object(r#"{"uuid":"u","name":"b","n":1.00,"x":{"y":1,"z":2}}"#),
        );
        assert_eq!(method, "PATCH");
        assert_eq!(body, object(r#"{"name":"b","x":{"y":1,"z":2}}"#));
        let (method, body) = difference(&before, object(r#"{"uuid":"u","name":"b"}"#));
        assert_eq!((method, body.len()), ("PUT", 2));
    }

    #[test]
    fn a_cell_is_short_and_cannot_command_a_terminal() {
        let document = r#"{"name":"a\u001b[2Jb","value":{"n":1.00},"long":"#;
        let document = format!("{document}\"{}\"}}", "x".repeat(100));
        let document = Payload::parse(document).unwrap();
        let cells = cells(&document, &["name", "value", "long", "none"]);
        assert!(!cells[0].contains('\u{1b}'), "{cells:?}");
        assert_eq!((&*cells[1], &*cells[3]), (r#"{"n":1.00}"#, ""));
        assert_eq!(cells[2].chars().count(), MAX_CELL + 1);
    }

    #[test]
    fn a_filter_names_a_field_and_its_value() {
        assert_eq!(filter("a.b=c=d"), Ok(("a.b".into(), "c=d".into())));
        assert_eq!(filter("a="), Ok(("a".into(), String::new())));
        assert!(filter("=a").is_err() && filter("a").is_err());
    }
}
