//! Content that is made: uploads, changes, deletions.

use std::fs;
use std::path::Path;

use expd_domain::{Alphabet, Channel};
use expd_hub::HubSettings;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::running_hub::*;

/// Content as the vendor's test suites expect it.
fn seed(folder: &Path) {
    for path in ["menus/summer", "clock", "logo.png.variants"] {
        fs::create_dir_all(folder.join(path)).unwrap();
    }
    for (path, text) in [
        ("menus/a (1) & b.txt", "menu"),
        ("menus/summer/é.html", "<p>"),
        ("clock/index.html", "<script src=clock.js></script>"),
        ("clock/clock.js", "tick()"),
        ("logo.png", "the logo"),
        ("logo.png.variants/320.png", "small"),
        ("site.url", "https://example.org/"),
    ] {
        fs::write(folder.join(path), text).unwrap();
    }
}

pub(super) async fn hub(change: impl FnOnce(&mut HubSettings)) -> RunningHub {
    let mut settings = settings();
    change(&mut settings);
    RunningHub::with(settings).await
}

pub(super) async fn seeded() -> (RunningHub, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    seed(folder.path());
    let content = folder.path().to_owned();
    let hub = hub(|settings| settings.content_dir = Some(content)).await;
    (hub, folder)
}

pub(super) async fn call(
    client: &Client<'_>,
    method: Method,
    path: &str,
    body: &Value,
) -> (u16, Value) {
    let request = client.request(method, path).body(body.to_string());
    answer(request.send().await.unwrap()).await
}

pub(super) async fn get(client: &Client<'_>, path: &str) -> Value {
    let (status, document) = call(client, Method::GET, path, &Value::Null).await;
    assert_eq!(status, 200, "{path}: {document}");
    document
}

async fn answer(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

/// Body of a form, and its content type.
fn form(fields: &[(&str, &str)], file: Option<(&str, &str, &[u8])>) -> (Vec<u8>, &'static str) {
    let mut body = Vec::new();
    let mut part = |head: String, content: &[u8]| {
        body.extend(format!("--XX\r\nContent-Disposition: form-data; {head}\r\n\r\n").as_bytes());
        body.extend(content);
        body.extend(b"\r\n");
    };
    if let Some((name, mime, content)) = file {
        part(
            format!("name=\"file\"; filename=\"{name}\"\r\nContent-Type: {mime}"),
            content,
        );
    }
    for (name, value) in fields {
        part(format!("name=\"{name}\""), value.as_bytes());
    }
    body.extend(b"--XX--\r\n");
    (body, "multipart/form-data; boundary=XX")
}

pub(super) async fn upload(
    client: &Client<'_>,
    fields: &[(&str, &str)],
    file: Option<(&str, &str, &[u8])>,
) -> (u16, Value) {
    let (body, content_type) = form(fields, file);
    let request = client
        .request(Method::POST, "/api/content")
        .header("content-type", content_type)
        .body(body);
    answer(request.send().await.unwrap()).await
}

pub(super) fn restricted(client: &Client<'_>) -> String {
    let token = client.auth.restricted_token.as_ref().unwrap();
    token.expose().to_owned()
}

/// Requests a file without a login, with further header fields.
pub(super) async fn fetch(hub: &RunningHub, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = hub.http.get(format!("{}{path}", hub.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

pub(super) async fn text(response: Response) -> (u16, String) {
    (response.status().as_u16(), response.text().await.unwrap())
}

pub(super) fn header(response: &Response, name: &str) -> String {
    let value = response.headers().get(name);
    value.map_or(String::new(), |value| value.to_str().unwrap().to_owned())
}

pub(super) fn names(found: &Value) -> Vec<&str> {
    let list = found["results"].as_array().unwrap().iter();
    list.map(|node| node["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn folders_apps_urls_and_files_are_created_changed_and_deleted() {
    let hub = hub(|_| {}).await;
    let user = hub.user().await;
    assert_eq!(
        get(&user, "/api/content").await,
        json!({"total": 0, "results": []})
    );
    let create = async |document: Value| {
        let (status, created) = call(&user, Method::POST, "/api/content", &document).await;
        assert_eq!(status, 201, "{created}");
        created
    };
    let folder = create(json!({"name": "f", "size": 1, "mine": {"a": 0.10}})).await;
    assert_eq!(folder["subtype"], "scala:content:folder");
    assert_eq!(
        (&folder["path"], &folder["parent"]),
        (&json!("/f"), &json!("root"))
    );
    assert_eq!(
        (&folder["mine"]["a"], folder.get("size")),
        (&json!(0.10), None)
    );
    let parent = folder["uuid"].as_str().unwrap();
    let url = create(json!({"name": "u", "subtype": "scala:content:url", "url": "https://example.org", "parent": {"uuid": parent}})).await;
    assert_eq!(
        (&url["path"], &url["url"]),
        (&json!("/f/u"), &json!("https://example.org"))
    );
    create(json!({"name": "a", "subtype": "scala:content:app", "parent": parent})).await;

    // The file precedes the fields that describe it.
    let content: Vec<u8> = (0..1_000_000_u32)
        .map(|n| u8::try_from(n % 251).unwrap())
        .collect();
    let fields = [
        ("parent", parent),
        ("name", "film.mp4"),
        ("subtype", "scala:content:file"),
    ];
    let (status, file) = upload(
        &user,
        &fields,
        Some(("x", "application/octet-stream", &content)),
    )
    .await;
    assert_eq!(status, 201, "{file}");
    assert_eq!(
        (&file["path"], &file["size"]),
        (&json!("/f/film.mp4"), &json!(1_000_000))
    );
    assert_eq!(file["mimeType"], "video/mp4");
    // Moved with all of its contents, and announced.
    let uuid = file["uuid"].as_str().unwrap();
    let own = format!("/api/content/{uuid}");
    let id = channel_id(&Channel::new(uuid).system(), Alphabet::UrlSafe);
    let mut socket = user.socket(4).await.subscribed(&[&id]).await;
    let (status, patched) = call(
        &user,
        Method::PATCH,
        &own,
        &json!({"name": "film.webm", "title": "T", "size": 3}),
    )
    .await;
    assert_eq!((status, &patched["path"]), (200, &json!("/f/film.webm")));
    assert_eq!(
        (&patched["size"], &patched["title"]),
        (&json!(1_000_000), &json!("T"))
    );
    assert_eq!(socket.event("broadcast").await["payload"], patched);
    let (_, put) = call(&user, Method::PUT, &own, &json!({"name": "film"})).await;
    assert_eq!((&put["name"], put.get("title")), (&json!("film"), None));
    let (status, _) = call(
        &user,
        Method::PATCH,
        &format!("/api/content/{parent}"),
        &json!({"name": "g"}),
    )
    .await;
    assert_eq!(status, 200);
    assert_eq!(get(&user, &own).await["path"], "/g/film");
    let path = format!("/api/delivery/g/film?_rt={}", restricted(&user));
    let delivered = fetch(&hub, &path, &[]).await.bytes().await.unwrap();
    assert!(delivered == content, "{} bytes", delivered.len());
    let (status, _) = call(
        &user,
        Method::DELETE,
        &format!("/api/content/{parent}"),
        &json!({}),
    )
    .await;
    assert_eq!(status, 204);
    assert_eq!(get(&user, "/api/content").await["total"], 0);
    assert_eq!(fetch(&hub, &path, &[]).await.status(), 404);
    assert_eq!(call(&user, Method::GET, &own, &json!({})).await.0, 404);
}

#[tokio::test]
async fn a_variant_is_uploaded_beside_its_file() {
    let hub = hub(|_| {}).await;
    let user = hub.user().await;
    let (_, file) = upload(&user, &[], Some(("film.mp4", "", b"the film"))).await;
    for poster in [b"first".as_slice(), b"poster"] {
        let fields = [("name", "film.mp4"), ("variant", "poster")];
        let (status, changed) = upload(&user, &fields, Some(("p.png", "image/png", poster))).await;
        assert_eq!((status, &changed["uuid"]), (201, &file["uuid"]));
        assert_eq!(
            changed["variants"],
            json!([{"name": "poster", "mimeType": "image/png", "size": poster.len()}])
        );
    }
    let path = format!("/api/delivery/film.mp4?_rt={}", restricted(&user));
    let whole = fetch(&hub, &path, &[]).await;
    assert_eq!(header(&whole, "content-type"), "video/mp4");
    assert_eq!(text(whole).await, (200, "the film".to_owned()));
    let variant = format!("{path}&variant=poster");
    let part = fetch(&hub, &variant, &[("range", "bytes=-2")]).await;
    assert_eq!(text(part).await, (206, "er".to_owned()));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_leaves_nothing() {
    let hub = hub(|settings| settings.content_bytes = 1000).await;
    let user = hub.user().await;
    let file = Some(("a.txt", "text/plain", b"abc".as_slice()));
    for (fields, file, code) in [
        (vec![("parent", "none")], file, "content.parent.unknown"),
        (vec![("name", "a/b")], file, "content.name.invalid"),
        (
            vec![("subtype", "scala:content:app")],
            file,
            "content.subtype.invalid",
        ),
        (vec![("subtype", "x")], file, "content.subtype.invalid"),
        (
            vec![("variant", "v"), ("name", "none")],
            file,
            "content.unknown",
        ),
        (vec![("name", "x")], None, "content.file.missing"),
        (
            vec![],
            Some(("a", "b/c", [0; 501].as_slice())),
            "content.full",
        ),
    ] {
        let (_, refused) = upload(&user, &fields, file).await;
        assert_eq!(refused["code"], code, "{refused}");
    }
    for (document, code) in [
        (json!({}), "content.name.invalid"),
        (json!({"name": 5}), "content.field.invalid"),
        (json!({"name": ".."}), "content.name.invalid"),
        (
            json!({"name": "x", "subtype": "scala:content:file"}),
            "content.subtype.invalid",
        ),
        (
            json!({"name": "x", "subtype": "scala:content:url"}),
            "content.url.invalid",
        ),
    ] {
        let (status, refused) = call(&user, Method::POST, "/api/content", &document).await;
        assert_eq!((status, &refused["code"]), (400, &json!(code)));
    }
    assert_eq!(get(&user, "/api/content").await["total"], 0);
    // A refused upload is charged to nobody: half of the budget is left.
    let (status, kept) = upload(&user, &[], Some(("a", "b/c", &[0; 500]))).await;
    assert_eq!(status, 201, "{kept}");
    let (status, again) = upload(&user, &[], Some(("a", "b/c", b""))).await;
    assert_eq!((status, &again["code"]), (409, &json!("content.exists")));
    // Another identity has its own half.
    let device = hub.device().await;
    let (status, _) = upload(&device, &[], Some(("b", "b/c", &[0; 500]))).await;
    assert_eq!(status, 201);
    let app = hub.consumer_app().await;
    let (status, refused) = upload(&app, &[], file).await;
    assert_eq!(
        (status, &refused["code"]),
        (403, &json!("resource.readOnly"))
    );
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let hub = hub(|settings| settings.content_bytes = 1 << 20).await;
    let user = hub.user().await;
    let (body, content_type) = form(&[], Some(("a", "b/c", &vec![7; 400_000])));
    let address = hub.url.strip_prefix("http://").unwrap();
    for _ in 0..4 {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST /api/content HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
            user.auth.token.expose(),
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&body[..300_000]).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.ok();
    }
    // The identity's whole half of the budget is free again.
    let whole = vec![1; 1 << 19];
    expd_test_support::eventually("there is room again", async || {
        let (status, body) = upload(&user, &[], Some(("whole", "b/c", &whole))).await;
        (status == 201)
            .then_some(())
            .ok_or_else(|| body.to_string())
    })
    .await;
    assert_eq!(get(&user, "/api/content").await["total"], 1);
}
