use std::io::{Read as _, Write as _};
use std::os::unix::fs::symlink;

use super::*;

fn files(seeds: Option<&Path>, kept: Option<PathBuf>, budget: u64) -> ContentFiles {
    ContentFiles::open(seeds, kept, budget, Store::default()).unwrap()
}

fn upload(files: &ContentFiles, bytes: &[u8]) -> Result<FinishedUpload, ApiError> {
    let mut upload = files.begin("joe").unwrap();
    upload.reserve(bytes.len())?;
    let mut file = upload.take_file().unwrap();
    file.write_all(bytes).unwrap();
    Ok(upload.finish(&file).unwrap())
}

fn text(file: io::Result<File>) -> String {
    let mut text = String::new();
    file.unwrap().read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_seed_is_read_and_nothing_outside_of_its_folder() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("a")).unwrap();
    fs::write(at("a/f"), "f").unwrap();
    symlink(outside.path(), at("out")).unwrap();
    symlink(outside.path().join("secret"), at("a/link")).unwrap();
    let files = files(Some(folder.path()), None, 0);
    let read = |path: &str| files.read(&FileLocation::Seed(path.into()));
    assert_eq!(text(read("a/f")), "f");
    for path in [
        "out/secret",
        "a/link",
        "a/../a/f",
        "/etc/passwd",
        "..",
        "",
        "a",
        "a/none",
    ] {
        assert!(read(path).is_err(), "{path}");
    }
    assert!(files.read(&FileLocation::Upload("../x".into())).is_err());
}

#[tokio::test]
async fn an_upload_is_there_once_it_is_kept_and_its_bytes_come_back_with_it() {
    let files = files(None, None, 20);
    let first = upload(&files, b"0123456789").unwrap();
    let place = first.place();
    assert_eq!(text(files.read(&place)), "0123456789");
    assert_eq!(upload(&files, b"x").err().unwrap().code, "content.full");
    drop(first);
    assert!(files.read(&place).is_err());
    let second = upload(&files, b"second").unwrap();
    let (place, size) = (second.place(), second.size());
    second.keep();
    assert_eq!(text(files.read(&place)), "second");
    assert_eq!(lock(&files.used).all, 6);
    let FileLocation::Upload(upload) = &place else {
        panic!("{place:?}");
    };
    let removed = files.remove(vec![RemovedFile {
        upload: upload.clone(),
        size,
        owner: Some("joe".into()),
    }]);
    removed.await.unwrap();
    assert!(files.read(&place).is_err());
    assert_eq!(lock(&files.used).all, 0);
    assert!(lock(&files.used).by_owner.is_empty());
}

#[test]
fn what_nothing_refers_to_goes_at_the_start_and_what_is_not_ours_stays() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("uploads");
    let before = files(None, Some(kept.clone()), 100);
    let (known, unknown) = (
        upload(&before, b"1").unwrap(),
        upload(&before, b"2").unwrap(),
    );
    let part = kept.join("0".repeat(NAME_LENGTH)).with_extension(PART);
    fs::write(&part, "half").unwrap();
    fs::write(kept.join("README"), "ours").unwrap();
    let (place, other) = (known.place(), unknown.place());
    known.keep();
    unknown.keep();
    let after = files(None, Some(kept.clone()), 100);
    let file = StoredFile {
        place: place.clone(),
        size: 1,
        mime: String::new(),
    };
    after.settle([(&file, Some("joe"))].into_iter()).unwrap();
    assert!(after.read(&place).is_ok() && after.read(&other).is_err());
    assert!(!part.exists() && kept.join("README").exists());
    assert_eq!(lock(&after.used).by_owner["joe"], 1);
}
