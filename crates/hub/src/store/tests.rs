use std::fs;

use super::*;

async fn rows(path: &Path, table: Table) -> Vec<(String, String)> {
    let (store, mut contents) = Store::open(path).unwrap();
    store.close().await;
    contents.take(table)
}

#[tokio::test]
async fn what_was_put_is_there_again_and_what_was_removed_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/folder/hub.db");
    let (store, _) = Store::open(&path).unwrap();
    store.put(Table::Data, "a", Some("1".to_owned()));
    store.put(Table::Data, "b", Some("2".to_owned()));
    store.put(Table::Devices, "a", Some("3".to_owned()));
    store.flushed().await.unwrap();
    let gone = folder.path().join("file");
    fs::write(&gone, "x").unwrap();
    store.put(Table::Data, "a", None);
    store.remove_files(vec![gone.clone()]).unwrap();
    store.close().await;
    assert!(!gone.exists());
    assert!(store.flushed().await.is_ok(), "all was committed");
    store.put(Table::Data, "late", Some("4".to_owned()));
    assert_eq!(
        store.flushed().await.unwrap_err().code,
        "network.store.failed"
    );
    assert_eq!(rows(&path, Table::Data).await, [("b".into(), "2".into())]);
    assert_eq!(
        rows(&path, Table::Devices).await,
        [("a".into(), "3".into())]
    );
}

#[tokio::test]
async fn a_change_that_cannot_be_committed_is_said_to_be_and_committed_later() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.db");
    // As after a failed write, the database must be reopened, and cannot be.
    fs::create_dir(&path).unwrap();
    let store = Store::start(&path, None).unwrap();
    store.put(Table::Data, "a", Some("1".to_owned()));
    assert!(store.flushed().await.is_err());
    assert!(store.ready().await.is_err(), "it is tried again");
    fs::remove_dir(&path).unwrap();
    store.ready().await.unwrap();
    store.flushed().await.unwrap();
    store.close().await;
    assert_eq!(rows(&path, Table::Data).await, [("a".into(), "1".into())]);
}

#[test]
fn a_damaged_store_and_one_in_use_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.db");
    let (_store, _) = Store::open(&path).unwrap();
    let error = Store::open(&path).err().unwrap();
    assert!(error.to_string().contains("already open"), "{error}");
    let damaged = folder.path().join("damaged");
    fs::write(&damaged, "no database ".repeat(1000)).unwrap();
    assert!(Store::open(&damaged).is_err());
}
