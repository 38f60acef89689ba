//! `expd data`: EXP's data items, by group and key.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};

use super::calls::{Calls, segment};
use super::daemon_socket::DaemonSocket;
use super::editing::DocumentChange;
use super::failure::Failure;
use super::flags::InstanceFlag;
use super::listen::Listen;
use super::output::{self, Output};
use super::payload;
use super::resources::Find;
use expd_domain::Payload;

/// Columns of the table.
const COLUMNS: &[&str] = &["group", "key", "value"];

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  expd data list group=menu
  expd data create today '{\"soup\": \"leek\"}' --group menu
  expd data edit today '{\"soup\": \"tomato\"}' --group menu
  expd data watch today --group menu")]
pub(super) struct Data {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List items: a table, or with --json one document per line
    List(List),
    /// Print an item as JSON
    Get(Item),
    /// Create an item or replace its value, and print it
    Create(Create),
    /// Change the value of an item in place, and print it
    ///
    /// JSON is a merge patch (RFC 7396: objects are merged, null removes); the rest stays. Without
    /// JSON, opens the value in $VISUAL or $EDITOR.
    Edit(Edit),
    /// Delete an item
    Delete(Item),
    /// Print an item at each change (its `update`s), as JSON; null after its deletion
    Watch(Watch),
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    find: Find,
    #[command(flatten)]
    instance: InstanceFlag,
}

#[derive(Debug, Args)]
struct Item {
    /// Item key
    key: String,
    /// Item group
    #[arg(long, default_value = "default")]
    group: String,
    #[command(flatten)]
    instance: InstanceFlag,
}

#[derive(Debug, Args)]
struct Create {
    #[command(flatten)]
    item: Item,
    /// Value: JSON, @FILE, or - for standard input
    #[arg(value_name = "JSON", allow_negative_numbers = true)]
    value: String,
}

#[derive(Debug, Args)]
struct Edit {
    #[command(flatten)]
    item: Item,
    /// Change: JSON, @FILE, or - for standard input
    #[arg(value_name = "JSON", allow_negative_numbers = true)]
    change: Option<String>,
}

#[derive(Debug, Args)]
struct Watch {
    #[command(flatten)]
    item: Item,
    /// Exit after N changes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

impl Data {
    pub(super) async fn run(self, socket: DaemonSocket) -> Result<(), Failure> {
        match self.command {
            Command::List(list) => list.run(socket).await,
            Command::Get(item) => {
                let document = item.send("GET", None, socket).await?;
                Output::new().payload(&document).await
            }
            Command::Create(create) => {
                let value = payload::read(Some(&create.value))?;
                let document = create.item.send("PUT", Some(&value), socket).await?;
                Output::new().payload(&document).await
            }
            Command::Edit(edit) => edit.run(socket).await,
            Command::Delete(item) => item.send("DELETE", None, socket).await.map(drop),
            Command::Watch(watch) => {
                let Item {
                    key,
                    group,
                    instance,
                } = watch.item;
                let channel = format!("data:{key}:{group}");
                let updates = Listen::updates(channel, watch.count, instance);
                updates.run(socket).await
            }
        }
    }
}

impl List {
    async fn run(self, socket: DaemonSocket) -> Result<(), Failure> {
        let query = self.find.query()?;
        let calls = Calls::connect(socket, &self.instance).await?;
        let found = calls.find("/api/data", query).await?;
        self.find.print(&found, COLUMNS).await
    }
}

impl Item {
    fn path(&self) -> String {
        format!("/api/data/{}/{}", segment(&self.group), segment(&self.key))
    }

    async fn send(
        &self,
        method: &str,
        value: Option<&Payload>,
        socket: DaemonSocket,
    ) -> Result<Payload, Failure> {
        let calls = Calls::connect(socket, &self.instance).await?;
        calls
            .send(method, &self.path(), BTreeMap::new(), value)
            .await
    }
}

impl Edit {
    async fn run(self, socket: DaemonSocket) -> Result<(), Failure> {
        /// The edited part of a data document.
        #[derive(serde::Deserialize)]
        struct Document {
            value: Payload,
        }
        let change = DocumentChange::read(self.change.as_deref())?;
        let calls = Calls::connect(socket, &self.item.instance).await?;
        let path = self.item.path();
        let before = calls.get(&path).await?;
        let Document { value } = serde_json::from_str(before.as_str()).map_err(|error| {
            Failure::Failed(format!("EXP's answer to GET {path} has no value: {error}"))
        })?;
        let Some(after) = change.apply(&value)? else {
            output::note("nothing changed");
            return Output::new().payload(&before).await;
        };
        let changed = calls.send("PUT", &path, BTreeMap::new(), Some(&after));
        Output::new().payload(&changed.await?).await
    }
}
