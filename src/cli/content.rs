//! `expd content`: content as a resource, its bytes, and URLs that load it.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};

use super::daemon_socket::DaemonSocket;
use super::failure::Failure;
use super::flags::InstanceFlag;
use super::output::{Output, Progress};
use super::resources::{self, Collection, Create, Delete, Edit, List, Watch};
use expd_domain::{ApiPath, quoted::Quoted};

/// Get content, its bytes or a URL that loads it; list, create, change, delete and watch it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  expd content list parent=root
  expd content get /menus/lunch.png > lunch.png
  expd content get /menus/lunch.png --variant small > small.png
  expd content url /menus/lunch.png                  for a page or a player")]
pub(super) struct Content {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(List),
    Get(Get),
    Url(Url),
    Create(Create),
    Edit(Edit),
    Delete(Delete),
    Watch(Watch),
}

/// Write the bytes of content to standard output, or print its document
#[derive(Debug, Args)]
struct Get {
    /// Content `path`, as in /menus/lunch.png, for its bytes (or the path of any API request,
    /// beginning with /api/); uuid for its document as JSON
    #[arg(value_name = "PATH|UUID")]
    path: String,
    /// Variant name
    #[arg(long, value_name = "NAME")]
    variant: Option<String>,
    /// Start at byte N, to continue after an interruption
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    offset: u64,
    #[command(flatten)]
    instance: InstanceFlag,
}

/// Print a URL that loads content by itself
///
/// The URL contains the network's restricted token: anyone who has the URL can read content.
#[derive(Debug, Args)]
struct Url {
    /// Content `path`, as in /menus/lunch.png
    path: String,
    /// Variant name
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    variant: String,
    #[command(flatten)]
    instance: InstanceFlag,
}

impl Content {
    pub(super) async fn run(self, socket: DaemonSocket) -> Result<(), Failure> {
        match self.command {
            Command::List(list) => list.run(Collection::Content, socket).await,
            Command::Get(get) => get.run(socket).await,
            Command::Url(url) => url.run(socket).await,
            Command::Create(create) => create.run(Collection::Content, socket).await,
            Command::Edit(edit) => edit.run(Collection::Content, socket).await,
            Command::Delete(delete) => delete.run(Collection::Content, socket).await,
            Command::Watch(watch) => watch.run(socket).await,
        }
    }
}

impl Get {
    async fn run(self, socket: DaemonSocket) -> Result<(), Failure> {
        if !self.path.starts_with('/') {
            if self.variant.is_some() || self.offset > 0 {
                return Err(Failure::Usage(
                    "--variant and --offset apply to the bytes of content; give its path, which begins with a /"
                        .to_owned(),
                ));
            }
            if self.path.contains(['/', '.']) {
                return Err(Failure::Usage(format!(
                    "{} is not a uuid, and a path begins with a /",
                    Quoted(&self.path)
                )));
            }
            let (uuid, instance) = (self.path, self.instance);
            let document = resources::Get { uuid, instance };
            return document.run(Collection::Content, socket).await;
        }
        let path = ApiPath::of_content(&self.path);
        let path = path.map_err(|error| Failure::Usage(error.to_string()))?;
        let mut target = path.as_str().to_owned();
        if let Some(query) = path.query() {
            target.extend(["?", query]);
        }
        let named = self.variant.map(|name| ("variant".to_owned(), name));
        let query: BTreeMap<_, _> = named.into_iter().collect();
        let client = socket.connect().await?;
        let fetch = client.fetch(&self.instance.name, &target, query, self.offset);
        let waiting = Some("waiting for EXP's answer");
        let mut content = Progress::new().during(waiting, fetch).await?;
        let mut output = Output::new();
        output.check_for_bytes(&content.head.content_type)?;
        let mut reached = self.offset;
        loop {
            match content.next().await {
                Ok(Some(bytes)) => {
                    output.piece(&bytes).await?;
                    reached += bytes.len() as u64;
                }
                Ok(None) => return output.flush().await,
                Err(error) => {
                    output.flush().await?;
                    return Err(Failure::Failed(format!(
                        "{error}; {reached} bytes were written; continue with --offset {reached}"
                    )));
                }
            }
        }
    }
}

impl Url {
    async fn run(self, socket: DaemonSocket) -> Result<(), Failure> {
        let client = socket.connect().await?;
        let url = client
            .content_url(&self.instance.name, &self.path, &self.variant)
            .await?;
        Output::new().text(&url).await
    }
}
