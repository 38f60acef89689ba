//! Content: the tree, uploads, delivery, and the cookie.

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

async fn hub(change: impl FnOnce(&mut HubSettings)) -> RunningHub {
    let mut settings = settings();
    change(&mut settings);
    RunningHub::with(settings).await
}

async fn seeded() -> (RunningHub, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    seed(folder.path());
    let content = folder.path().to_owned();
    let hub = hub(|settings| settings.content_dir = Some(content)).await;
    (hub, folder)
}

async fn call(client: &Client<'_>, method: Method, path: &str, body: &Value) -> (u16, Value) {
    let request = client.request(method, path).body(body.to_string());
    answer(request.send().await.unwrap()).await
}

async fn get(client: &Client<'_>, path: &str) -> Value {
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

async fn upload(
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

fn restricted(client: &Client<'_>) -> String {
    let token = client.auth.restricted_token.as_ref().unwrap();
    token.expose().to_owned()
}

/// Requests a file without a login, with further header fields.
async fn fetch(hub: &RunningHub, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = hub.http.get(format!("{}{path}", hub.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

async fn text(response: Response) -> (u16, String) {
    (response.status().as_u16(), response.text().await.unwrap())
}

fn header(response: &Response, name: &str) -> String {
    let value = response.headers().get(name);
    value.map_or(String::new(), |value| value.to_str().unwrap().to_owned())
}

fn names(found: &Value) -> Vec<&str> {
    let list = found["results"].as_array().unwrap().iter();
    list.map(|node| node["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_is_in_the_content_folder_is_found_as_the_sdks_look_for_it() {
    let (hub, _folder) = seeded().await;
    let device = hub.device().await;
    let root = get(&device, "/api/content/root").await;
    assert_eq!(root["subtype"], "scala:content:folder");
    let children = get(&device, "/api/content/root/children").await;
    assert_eq!(children["uuid"], "root");
    let children = children["children"].as_array().unwrap();
    let found: Vec<_> = children
        .iter()
        .map(|c| c["name"].as_str().unwrap())
        .collect();
    assert_eq!(found, ["clock", "logo.png", "menus", "site"]);
    assert!(children.iter().all(|child| child["parent"] == "root"));

    // A folder in a folder, an app, a URL, a file with variants and one without.
    let folders = get(
        &device,
        "/api/content?subtype=scala:content:folder&limit=20",
    )
    .await;
    assert_eq!(names(&folders), ["menus", "summer"]);
    let menus = folders["results"][0]["uuid"].as_str().unwrap();
    let path = format!("/api/content?subtype=scala%3Acontent%3Afolder&parent={menus}");
    assert_eq!(names(&get(&device, &path).await), ["summer"]);
    let apps = get(&device, "/api/content?subtype=scala:content:app").await;
    assert_eq!(names(&apps), ["clock"]);
    let urls = get(&device, "/api/content?subtype=scala:content:url").await;
    assert_eq!(urls["results"][0]["url"], "https://example.org/");
    let logo = get(&device, "/api/content?path=/logo.png").await;
    let logo = &logo["results"][0];
    assert_eq!(logo["mimeType"], "image/png");
    assert_eq!(logo["size"], 8);
    assert_eq!(logo["variants"][0]["name"], "320.png");
    let by_variant = get(&device, "/api/content?limit=1&skip=1").await;
    assert_eq!(
        (by_variant["total"].as_u64(), names(&by_variant).len()),
        (Some(7), 1)
    );

    // The contents of an app are listed only on request.
    let app = apps["results"][0]["uuid"].as_str().unwrap();
    let path = format!("/api/content?parent={app}");
    assert_eq!(get(&device, &path).await["total"], 0);
    let inside = get(&device, &format!("{path}&appContent=include")).await;
    assert_eq!(names(&inside), ["clock.js", "index.html"]);

    let (status, body) = call(&device, Method::GET, "/api/content/fakeuuid", &json!({})).await;
    assert_eq!((status, &body["code"]), (404, &json!("content.unknown")));
    let (status, body) = call(
        &device,
        Method::DELETE,
        &format!("/api/content/{menus}"),
        &json!({}),
    )
    .await;
    assert_eq!((status, &body["code"]), (409, &json!("content.fixed")));
}

#[tokio::test]
async fn a_file_is_delivered_to_those_who_prove_a_login_in_every_form_that_clients_write() {
    let (hub, _folder) = seeded().await;
    let device = hub.device().await;
    let rt = restricted(&device);
    for (path, expected) in [
        (format!("/api/delivery/logo.png?_rt={rt}"), "the logo"),
        (
            format!("/api/delivery//logo.png?_rt={rt}&variant="),
            "the logo",
        ),
        (
            format!("/api/delivery/logo.png?_rt={rt}&variant=320.png"),
            "small",
        ),
        (
            format!("/api/delivery/logo.png?_rt={rt}?variant=320.png&_rt={rt}"),
            "small",
        ),
        (
            format!("/api/delivery/menus/a%20%281%29%20%26%20b.txt?_rt={rt}"),
            "menu",
        ),
        (
            format!("/api/delivery/menus/summer/%C3%A9.html?_rt={rt}"),
            "<p>",
        ),
        (
            format!("/api/delivery/clock/index.html?_rt={rt}"),
            "<script src=clock.js></script>",
        ),
        // An app without its index redirects to it.
        (
            format!("/api/delivery//clock?_rt={rt}"),
            "<script src=clock.js></script>",
        ),
    ] {
        let response = fetch(&hub, &path, &[]).await;
        assert_eq!(text(response).await, (200, expected.to_owned()), "{path}");
    }
    let cookie = format!("other=1; _rt={rt}");
    let path = "/api/delivery/logo.png?variant=320.png";
    let response = fetch(&hub, path, &[("cookie", &cookie)]).await;
    assert_eq!(header(&response, "content-type"), "image/png");
    assert_eq!(header(&response, "x-content-type-options"), "nosniff");
    assert_eq!(text(response).await, (200, "small".to_owned()));
    let bearer = device.request(Method::GET, path).send().await.unwrap();
    assert_eq!(bearer.status(), 200);

    let token = device.auth.token.expose();
    for (path, refused) in [
        (
            "/api/delivery/logo.png".to_owned(),
            (401, "authentication.token.missing"),
        ),
        (
            "/api/delivery/logo.png?_rt=".to_owned(),
            (401, "authentication.token.missing"),
        ),
        (
            "/api/delivery/logo.png?_rt=x".to_owned(),
            (401, "authentication.token.invalid"),
        ),
        // An API token is not accepted in URLs.
        (
            format!("/api/delivery/logo.png?_rt={token}"),
            (401, "authentication.token.invalid"),
        ),
        (
            format!("/api/delivery/logo.png?_rt={rt}&variant=no"),
            (404, "content.variant.unknown"),
        ),
        (
            format!("/api/delivery/none?_rt={rt}"),
            (404, "content.unknown"),
        ),
        (
            format!("/api/delivery/..%2f..%2fetc%2fpasswd?_rt={rt}"),
            (404, "content.unknown"),
        ),
        (
            format!("/api/delivery/menus?_rt={rt}"),
            (404, "content.notDelivered"),
        ),
    ] {
        let refusal = refusal(fetch(&hub, &path, &[]).await).await;
        assert_eq!(refusal, (refused.0, refused.1.to_owned()), "{path}");
    }
    // A restricted token grants content and nothing else.
    let response = hub.http.get(format!("{}/api/devices", hub.url));
    let response = response.bearer_auth(&rt).send().await.unwrap();
    assert_eq!(response.status(), 401);
}

#[tokio::test]
async fn parts_and_unchanged_files_are_answered_as_browsers_ask() {
    let (hub, folder) = seeded().await;
    let device = hub.device().await;
    let path = format!("/api/delivery/logo.png?_rt={}", restricted(&device));
    let whole = fetch(&hub, &path, &[]).await;
    assert_eq!(header(&whole, "accept-ranges"), "bytes");
    assert_eq!(header(&whole, "content-length"), "8");
    let etag = header(&whole, "etag");
    let part = fetch(&hub, &path, &[("range", "bytes=4-"), ("if-range", &etag)]).await;
    assert_eq!(header(&part, "content-range"), "bytes 4-7/8");
    assert_eq!(text(part).await, (206, "logo".to_owned()));
    let behind = fetch(&hub, &path, &[("range", "bytes=8-")]).await;
    assert_eq!(header(&behind, "content-range"), "bytes */8");
    assert_eq!(behind.status(), 416);
    let known = fetch(&hub, &path, &[("if-none-match", &etag)]).await;
    assert_eq!(text(known).await, (304, String::new()));
    let head = hub.http.head(format!("{}{path}", hub.url));
    let head = head.send().await.unwrap();
    assert_eq!(header(&head, "content-length"), "8");

    fs::write(folder.path().join("logo.png"), "another").unwrap();
    let changed = fetch(&hub, &path, &[("if-none-match", &etag)]).await;
    assert_eq!(text(changed).await, (200, "another".to_owned()));
    // A link that appears in the folder is not followed.
    fs::remove_file(folder.path().join("logo.png")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("logo.png")).unwrap();
    let gone = refusal(fetch(&hub, &path, &[]).await).await;
    assert_eq!(gone, (404, "content.gone".to_owned()));
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
async fn the_layout_of_a_location_is_a_file_of_content() {
    let hub = hub(|_| {}).await;
    let user = hub.user().await;
    let (_, file) = upload(&user, &[], Some(("plan.svg", "image/svg+xml", b"<svg/>"))).await;
    let uuid = file["uuid"].as_str().unwrap();
    for layout in [json!(uuid), json!("/plan.svg"), json!({"uuid": uuid})] {
        let body = json!({"layout": layout});
        let (_, location) = call(&user, Method::POST, "/api/locations", &body).await;
        let uuid = location["uuid"].as_str().unwrap();
        let path = format!("/api/locations/{uuid}/layout?_rt={}", restricted(&user));
        let layout = fetch(&hub, &path, &[]).await;
        assert_eq!(header(&layout, "content-type"), "image/svg+xml");
        assert_eq!(text(layout).await, (200, "<svg/>".to_owned()));
    }
    let (_, bare) = call(&user, Method::POST, "/api/locations", &json!({"name": "x"})).await;
    let path = format!("/api/locations/{}/layout", bare["uuid"].as_str().unwrap());
    let (status, refused) = call(&user, Method::GET, &path, &json!({})).await;
    assert_eq!(
        (status, &refused["code"]),
        (404, &json!("location.layout.none"))
    );
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
async fn the_cookie_comes_with_each_answer_and_each_handshake_of_polling() {
    let (hub, _folder) = seeded().await;
    let device = hub.device().await;
    let rt = restricted(&device);
    let here = format!("_rt={rt}; HttpOnly; Path=/api; Secure; SameSite=None; Partitioned");
    let answered = device
        .request(Method::GET, "/api/devices")
        .send()
        .await
        .unwrap();
    assert_eq!(header(&answered, "set-cookie"), here);
    let token = device.auth.token.expose();
    let handshake = format!("/socket.io/?token={token}&EIO=3&transport=polling");
    let answered = fetch(&hub, &handshake, &[]).await;
    assert_eq!(header(&answered, "set-cookie"), here);
    // A page delivered to a token in the URL gets its further files by the cookie.
    let answered = fetch(&hub, &format!("/api/delivery/clock?_rt={rt}"), &[]).await;
    assert_eq!(header(&answered, "set-cookie"), here);
    let stranger = fetch(&hub, "/api/devices", &[]).await;
    assert_eq!(header(&stranger, "set-cookie"), "");
}

#[tokio::test]
async fn the_cookie_is_for_https_or_for_plain_http() {
    let hub = hub(|settings| settings.hosts = vec!["exp.example.org".to_owned()]).await;
    let device = hub.device().await;
    let rt = restricted(&device);
    let ask = async |headers: &[(&str, &str)]| {
        let mut request = device.request(Method::GET, "/api/devices");
        request = request.header("host", "exp.example.org");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        header(&request.send().await.unwrap(), "set-cookie")
    };
    assert_eq!(ask(&[]).await, format!("_rt={rt}; HttpOnly; Path=/api"));
    let secure = ask(&[("x-forwarded-proto", "https")]).await;
    assert!(
        secure.ends_with("; Secure; SameSite=None; Partitioned"),
        "{secure}"
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
