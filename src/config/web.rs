//! `[web]`, the door for pages, checked.

use std::collections::BTreeSet;
use std::path::Path;

use url::{Origin, Url};

use super::mistake::quoted;
use super::reader::Reader;
use super::route::Route;
use super::secret;
use super::section::Section;
use super::settings::{
    DEFAULT_INSTANCE, INSTANCE_NAME_RULE, WebApp, WebSettings, is_instance_name,
};

/// Reads the settings of the door. An app's instance must be one of `instances`. Keys may be in
/// systemd's `credentials` folder.
pub(super) fn read(
    reader: &mut Reader,
    instances: &[String],
    credentials: Option<&Path>,
) -> WebSettings {
    let web = Route::default().key("web");
    let mut names = BTreeSet::new();
    let mut uuids = BTreeSet::new();
    let mut apps = Vec::new();
    for route in reader.items(&web.key("apps")) {
        let mut section = Section::new(reader, route);
        let name = unique(&mut section, "name", &mut names);
        if let Some(name) = name.as_ref().filter(|name| !is_instance_name(name)) {
            let what = format!("{} is not a valid app name", quoted(name));
            section.mistake("name", what, INSTANCE_NAME_RULE);
        }
        let uuid = unique(&mut section, "uuid", &mut uuids);
        let credential = name.as_ref().map(|app| format!("expd.web.{app}.api_key"));
        let api_key = secret::named(&mut section, "api_key", credential, credentials);
        let origins = read_origins(&mut section);
        let instance = section.text("instance");
        let instance = instance.unwrap_or_else(|| DEFAULT_INSTANCE.to_owned());
        if instance != DEFAULT_INSTANCE && !instances.contains(&instance) {
            section.mistake(
                "instance",
                format!("there is no instance {}", quoted(&instance)),
                format!("add [instances.{instance}], or name another"),
            );
        }
        if let (Some(name), Some(uuid), Some(api_key)) = (name, uuid, api_key) {
            apps.push(WebApp {
                name,
                origins,
                uuid,
                api_key,
                instance,
            });
        }
    }
    let mut section = Section::new(reader, web);
    let listen = section.address("listen");
    let root = section.path("root");
    if !section.is_set("listen") && (section.is_set("root") || !apps.is_empty()) {
        section.missing(
            "listen",
            "set it, as in \"127.0.0.1:9980\", or remove [web]: without it no page is served",
        );
    }
    if listen.is_some()
        && let Some(root) = root.as_ref().filter(|root| !root.is_dir())
    {
        section.mistake(
            "root",
            format!("{} is not a readable folder", root.display()),
            "name the folder of the pages, or create it",
        );
    }
    WebSettings { listen, root, apps }
}

/// Exact origins, as browsers send them.
fn read_origins(section: &mut Section<'_>) -> Vec<String> {
    let Some(origins) = section.texts("origins") else {
        if !section.is_set("origins") {
            section.missing(
                "origins",
                "name where the app's pages come from, as in [\"https://kiosk.example\"]",
            );
        }
        return Vec::new();
    };
    if origins.is_empty() {
        section.mistake(
            "origins",
            "names no origin: no page could log in",
            "name where the app's pages come from, as in [\"https://kiosk.example\"]",
        );
    }
    for origin in &origins {
        let parsed = Url::parse(origin).ok().map(|url| url.origin());
        let exact = parsed
            .filter(Origin::is_tuple)
            .map(|origin| origin.ascii_serialization());
        match exact {
            Some(exact) if exact == *origin && exact.starts_with("http") => {}
            Some(exact) if exact.starts_with("http") => {
                let what = format!("{} is not written as browsers send it", quoted(origin));
                section.mistake("origins", what, format!("write {}", quoted(&exact)));
            }
            _ => {
                let what = format!("{} is not the origin of a page", quoted(origin));
                let remedy = "write scheme, host and port alone, as in \"https://kiosk.example\"; pages of files have no origin, and web.root serves them";
                section.mistake("origins", what, remedy);
            }
        }
    }
    origins
}

/// A required text that is unique among the apps.
fn unique(section: &mut Section<'_>, name: &str, taken: &mut BTreeSet<String>) -> Option<String> {
    let text = section.required(name)?;
    if !taken.insert(text.clone()) {
        let what = format!("{} is used twice", quoted(&text));
        section.mistake(name, what, "give each app its own");
        return None;
    }
    Some(text)
}
