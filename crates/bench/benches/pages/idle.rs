//! Memory that the daemon holds for an idle page.

use std::path::Path;
use std::time::Duration;

use expd_bench::process::Process;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::page::{APPS, Page};
use crate::run::Served;
use expd_domain::Generation;

/// Pages that are open at once; the web server admits 128 of an app.
const PAGES: usize = 400;

/// Time after which memory that was needed only for opening is returned.
const SETTLE: Duration = Duration::from_secs(3);

/// Measures the memory of one idle page in KiB: the total of many, less that of the first one of
/// each app.
pub fn measure(binary: &Path) -> f64 {
    let served = Served::start(true, binary);
    let mut pages = Process::role(&["idle", &served.web]);
    assert_eq!(pages.line(), "first");
    let before = served.daemon.spent().anonymous;
    pages.tell("go on");
    assert_eq!(pages.line(), "all");
    let after = served.daemon.spent().anonymous;
    (after as f64 - before as f64) / (PAGES - APPS.len()) as f64
}

/// Opens a page of each app, then all others, and reports when either has settled.
pub async fn run(web: &str) {
    let mut open = JoinSet::new();
    for (number, app) in APPS.iter().cycle().take(PAGES).enumerate() {
        if number == APPS.len() {
            sleep(SETTLE).await;
            println!("first");
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).unwrap();
        }
        let mut page = Page::open(web, app, Generation::V4).await;
        page.subscribed().await;
        // It answers pings, and receives no broadcasts.
        open.spawn(async move {
            loop {
                page.packet().await;
            }
        });
    }
    sleep(SETTLE).await;
    println!("all");
    if let Some(ended) = open.join_next().await {
        ended.unwrap();
    }
}
