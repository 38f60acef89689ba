//! Content of the embedded network: what uploads and deliveries may make it hold, and what they
//! may keep from others.

use std::fs::File;
use std::net::Ipv4Addr;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::attacked_daemon::ALONE;
use crate::attacked_hub::{ELSEWHERE, HERE, Hub, WHO, device, user};

/// Bytes that one identity may make the hub hold by uploads or deliveries.
const HELD: usize = 48 * 1024 * 1024;

/// A file of this size is delivered, and uploaded.
const LARGE: u64 = 256 * 1024 * 1024;

/// Bytes that moving it may make the hub hold.
const MOVING: usize = 8 * 1024 * 1024;

fn with_large_file() -> (Hub, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    // Without blocks on disk.
    let large = File::create(folder.path().join("large.bin")).unwrap();
    large.set_len(LARGE).unwrap();
    std::fs::write(folder.path().join("small.txt"), "small").unwrap();
    let path = folder.path().to_str().unwrap().to_owned();
    // Uploads go with the test, though the hub is killed.
    let uploads = format!("{path}/.uploads");
    std::fs::create_dir(&uploads).unwrap();
    let hub = Hub::with(
        WHO,
        &[("EXPD__HUB__CONTENT_DIR", &path), ("TMPDIR", &uploads)],
    );
    (hub, folder)
}

async fn send(hub: &Hub, from: Ipv4Addr, head: &str, token: &str) -> TcpStream {
    let mut stream = hub.connect(from).await;
    let request = format!(
        "{head} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n",
        hub.address
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn ask_for(hub: &Hub, from: Ipv4Addr, file: &str, token: &str) -> TcpStream {
    let mut stream = send(hub, from, &format!("GET /api/delivery/{file}"), token).await;
    stream
        .write_all(b"Connection: close\r\n\r\n")
        .await
        .unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_file_comes_and_goes_in_constant_memory() {
    const FORM: &str =
        "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n";
    const END: &str = "\r\n--XX--\r\n";
    let _alone = ALONE.lock().await;
    let (hub, _folder) = with_large_file();
    let token = hub.token(HERE, &device()).await;
    let before = hub.memory();
    let mut most = 0;
    let mut stream = ask_for(&hub, HERE, "large.bin", &token).await;
    let (mut seen, mut buffer) = (0_u64, vec![0; 1 << 20]);
    loop {
        let read = stream.read(&mut buffer).await.unwrap();
        if read == 0 {
            break;
        }
        if seen >> 24 != (seen + read as u64) >> 24 {
            most = most.max(hub.memory());
        }
        seen += read as u64;
    }
    assert!(seen > LARGE, "{seen}");

    let length = LARGE + (FORM.len() + END.len()) as u64;
    let mut stream = send(&hub, HERE, "POST /api/content", &token).await;
    let fields = format!(
        "Connection: close\r\nContent-Type: multipart/form-data; boundary=XX\r\nContent-Length: {length}\r\n\r\n{FORM}"
    );
    stream.write_all(fields.as_bytes()).await.unwrap();
    for sent in 0..LARGE >> 20 {
        stream.write_all(&buffer).await.unwrap();
        if sent % 16 == 0 {
            most = most.max(hub.memory());
        }
    }
    stream.write_all(END.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert!(answer.contains(&format!("\"size\":{LARGE}")), "{answer}");
    let held = most.saturating_sub(before);
    assert!(held < MOVING, "{held} bytes are held for one file");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_who_takes_nothing_of_many_files_keeps_none_from_others() {
    let _alone = ALONE.lock().await;
    let (hub, _folder) = with_large_file();
    let token = hub.token(HERE, &device()).await;
    let other = hub.token(ELSEWHERE, &user("joe", "joe's password")).await;
    let before = hub.memory();
    let mut asking = Vec::new();
    for _ in 0..300 {
        asking.push(ask_for(&hub, HERE, "large.bin", &token).await);
    }
    let mut answer = String::new();
    let mut stream = ask_for(&hub, ELSEWHERE, "small.txt", &other).await;
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("\r\n\r\nsmall"), "{answer}");
    let held = hub.memory().saturating_sub(before);
    assert!(
        held < HELD,
        "{held} bytes are held for files that nobody takes"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_sent_uploads_hold_little_and_stop_nobody_else() {
    let _alone = ALONE.lock().await;
    let (hub, _folder) = with_large_file();
    let token = hub.token(HERE, &device()).await;
    let other = hub.token(ELSEWHERE, &user("joe", "joe's password")).await;
    let before = hub.memory();
    let mut half_sent = Vec::new();
    for number in 0..40 {
        let mut stream = send(&hub, HERE, "POST /api/content", &token).await;
        // A file of which little comes, and the head of a part that never ends.
        let part = if number % 2 == 0 {
            "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n"
        } else {
            "--XX\r\nContent-Disposition: "
        };
        let fields = format!(
            "Content-Type: multipart/form-data; boundary=XX\r\nContent-Length: 1000000000\r\n\r\n{part}"
        );
        stream.write_all(fields.as_bytes()).await.unwrap();
        // Those that are refused cannot be written to.
        stream.write_all(&vec![b'x'; 100_000]).await.ok();
        half_sent.push(stream);
    }
    let body = "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nours\r\n--XX--\r\n";
    let fields = format!(
        "POST /api/content HTTP/1.1\r\nAuthorization: Bearer {other}\r\nContent-Type: multipart/form-data; boundary=XX"
    );
    let answer = hub.ask(ELSEWHERE, &fields, body.as_bytes()).await.unwrap();
    assert_eq!(answer.status, 201, "{answer:?}");
    let held = hub.memory().saturating_sub(before);
    assert!(held < HELD, "{held} bytes are held for half-sent uploads");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_with_an_endless_head_is_refused() {
    let (hub, _folder) = with_large_file();
    let token = hub.token(HERE, &device()).await;
    let body = format!("--XX\r\nContent-Disposition: {}", "x".repeat(8 << 20));
    let fields = format!(
        "POST /api/content HTTP/1.1\r\nAuthorization: Bearer {token}\r\nContent-Type: multipart/form-data; boundary=XX"
    );
    let answer = hub.ask(HERE, &fields, body.as_bytes()).await.unwrap();
    assert_eq!(
        (answer.status, &*answer.code()),
        (400, "request.body.malformed")
    );
}
