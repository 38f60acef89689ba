//! `[hub]`, the embedded network, checked.

use std::collections::BTreeSet;

use expd_hub::{HubConsumerApp, HubDevice, HubSettings, HubUser};

use super::mistake::quoted;
use super::reader::Reader;
use super::route::Route;
use super::secret;
use super::section::Section;

pub(super) fn read(reader: &mut Reader) -> HubSettings {
    let default = HubSettings::default();
    let hub = Route::default().key("hub");
    let devices = read_devices(reader, &hub);
    let consumer_apps = read_consumer_apps(reader, &hub);
    let users = read_users(reader, &hub);
    let mut section = Section::new(reader, hub);
    HubSettings {
        listen: section.address("listen").unwrap_or(default.listen),
        organization: section.text("organization").unwrap_or(default.organization),
        token_ttl: section.duration("token_ttl").unwrap_or(default.token_ttl),
        url: section.url("url"),
        hosts: hosts(&mut section),
        token_key: secret::read(&mut section, "token_key"),
        operator_key: secret::read(&mut section, "operator_key"),
        // Set once the environment is known.
        state_dir: None,
        content_dir: section.path("content_dir"),
        content_bytes: section
            .size_on_disk("content_bytes")
            .unwrap_or(default.content_bytes),
        store: section.path("store"),
        devices,
        users,
        consumer_apps,
        ping_interval: section
            .duration("ping_interval")
            .unwrap_or(default.ping_interval),
        ping_timeout: section
            .duration("ping_timeout")
            .unwrap_or(default.ping_timeout),
    }
}

/// Host names without ports.
fn hosts(section: &mut Section<'_>) -> Vec<String> {
    let hosts = section.texts("hosts").unwrap_or_default();
    let plain = |host: &String| {
        !host.is_empty()
            && host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
    };
    if let Some(host) = hosts.iter().find(|host| !plain(host)) {
        let what = format!("{} is not a host name", quoted(host));
        section.mistake(
            "hosts",
            what,
            "write the name alone, as in \"exp.example.org\"",
        );
    }
    hosts
}

fn read_devices(reader: &mut Reader, hub: &Route) -> Vec<HubDevice> {
    let mut uuids = BTreeSet::new();
    let mut devices = Vec::new();
    for route in reader.items(&hub.key("devices")) {
        let mut section = Section::new(reader, route);
        let uuid = unique(&mut section, "uuid", &mut uuids);
        let secret = secret::required(&mut section, "secret");
        if let (Some(uuid), Some(secret)) = (uuid, secret) {
            devices.push(HubDevice { uuid, secret });
        }
    }
    devices
}

fn read_consumer_apps(reader: &mut Reader, hub: &Route) -> Vec<HubConsumerApp> {
    // A device may have the same uuid as an app.
    let mut uuids = BTreeSet::new();
    let mut apps = Vec::new();
    for route in reader.items(&hub.key("consumer_apps")) {
        let mut section = Section::new(reader, route);
        let uuid = unique(&mut section, "uuid", &mut uuids);
        let api_key = secret::required(&mut section, "api_key");
        if let (Some(uuid), Some(api_key)) = (uuid, api_key) {
            apps.push(HubConsumerApp { uuid, api_key });
        }
    }
    apps
}

fn read_users(reader: &mut Reader, hub: &Route) -> Vec<HubUser> {
    let mut names = BTreeSet::new();
    let mut users = Vec::new();
    for route in reader.items(&hub.key("users")) {
        let mut section = Section::new(reader, route);
        let username = unique(&mut section, "username", &mut names);
        let password_hash = read_password(&mut section);
        let role = section.text("role");
        if let (Some(username), Some(password_hash)) = (username, password_hash) {
            users.push(HubUser {
                username,
                password_hash,
                role: role.unwrap_or_else(|| expd_hub::DEFAULT_ROLE.to_owned()),
            });
        }
    }
    users
}

fn read_password(section: &mut Section<'_>) -> Option<String> {
    let plain = section.is_set("password") || section.is_set("password_file");
    if section.is_set("password_hash") {
        if plain {
            section.mistake(
                "password",
                "both a password and a password_hash are set",
                "keep one of them",
            );
            return None;
        }
        let hash = section.text("password_hash")?;
        if let Err(reason) = expd_hub::check_password_hash(&hash) {
            let what = format!("is not an Argon2 hash in PHC form: {reason}");
            section.mistake(
                "password_hash",
                what,
                "make one with expd hub hash-password",
            );
            return None;
        }
        return Some(hash);
    }
    if !plain {
        section.missing(
            "password_hash",
            "set it (expd hub hash-password makes one), or password for development",
        );
        return None;
    }
    let password = secret::read(section, "password")?;
    match expd_hub::hash_password(&password) {
        Ok(hash) => Some(hash),
        Err(error) => {
            let what = format!("the password cannot be hashed: {error}");
            section.mistake("password", what, "set password_hash instead");
            None
        }
    }
}

/// A required name that is unique.
fn unique(section: &mut Section<'_>, name: &str, taken: &mut BTreeSet<String>) -> Option<String> {
    let text = section.required(name)?;
    if !taken.insert(text.clone()) {
        let what = format!("{} is used twice", quoted(&text));
        section.mistake(name, what, "give each its own");
        return None;
    }
    Some(text)
}
