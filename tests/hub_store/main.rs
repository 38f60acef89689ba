//! `expd hub` with `hub.store`: killed by SIGKILL at any moment under writes, it comes back with
//! every acknowledged write and with no half of one; a restart loses nothing either.
//!
//! `EXPD_KILLS=100 cargo test --test hub_store` kills it a hundred times.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod model;
mod network;

use std::process::Command;

use expd_test_support::process::program;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::model::Writer;
use crate::network::StoredHub;

/// Clients that write at the same time, each its own keys.
const WRITERS: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_it_comes_back_with_every_acknowledged_write_and_no_half_of_one() {
    let kills = std::env::var("EXPD_KILLS").map_or(10, |kills| kills.parse().unwrap());
    let home = StoredHub::home();
    let mut writers: Vec<Writer> = (0..WRITERS).map(Writer::new).collect();
    let mut acknowledged = 0;
    for kill in 0..kills {
        let mut hub = StoredHub::start(&home);
        let client = hub.log_in("device-1", "device secret").await;
        for writer in &mut writers {
            writer.check(&client).await;
        }
        model::check_nothing_else(&client, &writers, &home).await;

        // So many acknowledged writes later it is killed, while others are under way.
        let wanted = 5 + rand::random_range(0..60_usize);
        let mut tasks = JoinSet::new();
        for mut writer in writers.drain(..) {
            let client = client.clone();
            tasks.spawn(async move {
                writer.write_until_it_breaks(&client).await;
                writer
            });
        }
        client.acknowledged(wanted).await;
        hub.kill();
        writers = tasks.join_all().await;
        acknowledged += client.count();
        assert!(client.count() >= wanted, "{kill}");
    }
    let hub = StoredHub::start(&home);
    let client = hub.log_in("device-1", "device secret").await;
    for writer in &mut writers {
        writer.check(&client).await;
    }
    model::check_nothing_else(&client, &writers, &home).await;
    println!("{kills} kills, {acknowledged} acknowledged writes, none lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_operator_and_clients_did_holds_after_a_restart() {
    let home = StoredHub::home();
    let mut hub = StoredHub::start(&home);
    let client = hub.log_in("device-1", "device secret").await;
    // A device that a client created, one that was paired, and one of the settings that was
    // unpaired.
    let body = json!({"name": "n", "secret": "s"});
    let (_, created) = client.call(Method::POST, "/api/devices", &body).await;
    let code = hub.pairing_code().await;
    hub.operate(&["pair", &code, "--uuid", "screen-7"]);
    hub.operate(&["unpair", "device-2"]);
    let folder = client
        .call(Method::POST, "/api/content", &json!({"name": "f"}))
        .await
        .1;
    let parent = folder["uuid"].as_str().unwrap();
    let (status, file) = client
        .upload(parent, "a.txt", b"content".to_vec())
        .await
        .unwrap();
    assert_eq!(status, 201, "{file}");
    client
        .call(Method::PUT, "/api/data/a/b%2Fc", &json!({"n": [1]}))
        .await;
    let (_, thing) = client
        .call(Method::POST, "/api/things", &json!({"name": "t"}))
        .await;
    let (_, gone) = client.call(Method::POST, "/api/things", &json!({})).await;
    let gone = format!("/api/things/{}", gone["uuid"].as_str().unwrap());
    client.call(Method::DELETE, &gone, &Value::Null).await;
    let lists = ["/api/devices", "/api/things", "/api/content", "/api/data"];
    let mut before = Vec::new();
    for path in lists {
        before.push(client.call(Method::GET, path, &Value::Null).await);
    }
    hub.stop();

    let hub = StoredHub::start(&home);
    // The token of before holds.
    let client = client.at(&hub);
    for (path, before) in lists.into_iter().zip(before) {
        let after = client.call(Method::GET, path, &Value::Null).await;
        assert_eq!(after, before, "{path}");
    }
    let (_, again) = client
        .call(
            Method::GET,
            &format!("/api/things/{}", thing["uuid"].as_str().unwrap()),
            &Value::Null,
        )
        .await;
    assert_eq!(again, thing);
    assert_eq!(client.deliver("/f/a.txt").await, Some(b"content".to_vec()));
    let uuid = created["uuid"].as_str().unwrap();
    hub.log_in(uuid, "s").await;
    assert_eq!(hub.try_log_in("device-2", "device secret").await.0, 401);
    let (status, screen) = client
        .call(Method::GET, "/api/devices/screen-7", &Value::Null)
        .await;
    assert_eq!((status, &screen["uuid"]), (200, &json!("screen-7")));
    hub.operate(&["unpair", "screen-7"]);
}

#[test]
fn a_store_that_cannot_be_used_is_said_to_be() {
    let home = StoredHub::home();
    let hub = StoredHub::start(&home);
    let mut second = StoredHub::command(&home);
    let output = second.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("hub.db"),
        "{said}"
    );
    drop(hub);
    std::fs::write(home.folder.path().join("damaged.db"), "x".repeat(10_000)).unwrap();
    let mut command = Command::new(program());
    command
        .args(["hub", "--config"])
        .arg(home.config())
        .env("EXPD__HUB__STORE", home.folder.path().join("damaged.db"));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("damaged.db"),
        "{said}"
    );
}
