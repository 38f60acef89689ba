//! Content that is read: the tree, delivery, and the cookie.

use std::fs;

use reqwest::Method;
use serde_json::json;

use super::content::{call, fetch, get, header, hub, names, restricted, seeded, text, upload};
use crate::running_hub::*;

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
