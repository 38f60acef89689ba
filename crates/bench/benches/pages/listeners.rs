//! The listeners of a run, in a separate process.

use std::path::Path;

use expd_bench::account;
use expd_bench::load::Load;
use expd_bench::stream;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::page::{APPS, Page};
use expd_domain::Generation;

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Kind {
    /// gRPC streams, each of a separate program.
    Grpc,
    /// Pages that speak Engine.IO 4.
    Page4,
    /// Pages that speak Engine.IO 3.
    Page3,
}

/// Listens until the run ends, and reports what arrived.
pub async fn run(kind: Kind, load: Load, folder: &Path, web: &str) {
    account::listen(folder, load, "network-credit", async |accounts| {
        let mut listeners = JoinSet::new();
        for account in accounts {
            match kind {
                Kind::Grpc => {
                    let connection = stream::connect(folder.join("socket")).await;
                    listeners.spawn(stream::listen(connection, account));
                }
                Kind::Page4 | Kind::Page3 => {
                    let generation = match kind {
                        Kind::Page3 => Generation::V3,
                        Kind::Page4 | Kind::Grpc => Generation::V4,
                    };
                    let page = Page::open(web, APPS[0], generation).await;
                    listeners.spawn(page.listen(account));
                }
            }
        }
        listeners
    })
    .await;
}
