//! `[instances.NAME]` and its credentials, checked.

use std::collections::BTreeMap;

use url::Url;

use super::host::{check_bare, is_exposed};
use super::reader::Reader;
use super::route::Route;
use super::secret;
use super::section::Section;
use super::settings::{
    BroadcastChannelForm, ChannelIdSpelling, Credentials, DEFAULT_INSTANCE, HostsChoice,
    InstanceSettings,
};
use super::text_file::read_text;
use crate::exposure;
use expd_wire::{ProtocolChoice, SocketLibrary, TransportChoice};

/// Size limit of a CA file; bundles have a few hundred kilobytes.
const LARGEST_CA_FILE: u64 = 16 << 20;

pub(super) fn read_all(reader: &mut Reader) -> BTreeMap<String, InstanceSettings> {
    let table = Route::default().key("instances");
    let mut instances = BTreeMap::new();
    let names = reader.names(&table);
    if !names.is_empty() && !names.iter().any(|name| name == DEFAULT_INSTANCE) {
        let origin = reader.origin(&table);
        reader.findings.warning(
            origin,
            &table,
            "no instance is named default, so every request must name one",
            "rename one to default, unless that is intended",
        );
    }
    for name in names {
        let route = table.key(&name);
        let credentials = read_credentials(reader, &route);
        let mut section = Section::new(reader, route);
        let settings = read(&mut section, credentials);
        instances.extend(settings.map(|settings| (name, settings)));
    }
    instances
}

fn read(section: &mut Section<'_>, credentials: Option<Credentials>) -> Option<InstanceSettings> {
    let host = if section.is_set("host") {
        section.url("host")
    } else {
        Some(InstanceSettings::DEFAULT_HOST.to_owned())
    };
    if let Some(url) = host.as_deref().and_then(|host| Url::parse(host).ok()) {
        check_host(section, &url);
    }
    let hosts = match section.choice("hosts") {
        Some("configured") => HostsChoice::Configured,
        _ => HostsChoice::Announced,
    };
    let network = section.flag("network").unwrap_or(true);
    let pairs = matches!(
        credentials,
        Some(Credentials::Device {
            allow_pairing: true,
            ..
        })
    );
    if !network && pairs {
        section.mistake(
            "network",
            "is false, but a device receives its credentials over the live socket",
            "leave it out, or allow_pairing = false",
        );
    }
    let transport = match section.choice("transport") {
        Some("websocket") => TransportChoice::Websocket,
        Some("polling") => TransportChoice::Polling,
        _ => TransportChoice::Auto,
    };
    let protocol = match section.choice("protocol") {
        Some("3") => ProtocolChoice::V3,
        Some("4") => ProtocolChoice::V4,
        _ => ProtocolChoice::Auto,
    };
    let socket_library = match section.choice("socket_library") {
        Some("rust_socketio") if cfg!(feature = "rust-socketio") => SocketLibrary::RustSocketio,
        Some("rust_socketio") => {
            section.mistake(
                "socket_library",
                "this expd was built without rust_socketio",
                "leave the key out, or build expd with --features rust-socketio",
            );
            SocketLibrary::Own
        }
        _ => SocketLibrary::Own,
    };
    let channel_id = match section.choice("channel_id") {
        Some("urlsafe") => ChannelIdSpelling::UrlSafe,
        Some("standard") => ChannelIdSpelling::Standard,
        _ => ChannelIdSpelling::Both,
    };
    let broadcast_channel = match section.choice("broadcast_channel") {
        Some("id") => BroadcastChannelForm::Id,
        _ => BroadcastChannelForm::Object,
    };
    let ca_file = section.path("ca_file");
    if let Some(file) = &ca_file {
        match read_text(file, LARGEST_CA_FILE) {
            Ok(text) if text.contains("-----BEGIN CERTIFICATE-----") => {
                section.note("ca_file", &text);
                // A user who can change this file decides which servers get the daemon's secrets.
                if let Some(exposure) = exposure::changeable(file) {
                    section.warning("ca_file", exposure.to_string(), exposure.remedy());
                }
            }
            Ok(_) => section.mistake(
                "ca_file",
                format!("{} contains no PEM certificate", file.display()),
                "name a PEM file (openssl x509 -inform der -out FILE.pem makes one)",
            ),
            Err(error) => section.mistake(
                "ca_file",
                format!("cannot read {}: {error}", file.display()),
                "correct the path, or let the daemon's user read it",
            ),
        }
    }
    let proxy = section.url("proxy");
    Some(InstanceSettings {
        host: host?,
        hosts,
        network,
        transport,
        protocol,
        socket_library,
        proxy,
        ca_file,
        channel_id,
        broadcast_channel,
        credentials: credentials?,
    })
}

fn check_host(section: &mut Section<'_>, url: &Url) {
    if let Err(fault) = check_bare(url) {
        section.mistake("host", fault.what, fault.remedy);
    }
    if is_exposed(url) {
        let what = "the token is sent unencrypted, readable and usable by anyone on the path";
        section.warning("host", what, "use https://");
    }
}

fn read_credentials(reader: &mut Reader, instance: &Route) -> Option<Credentials> {
    let mut section = Section::new(reader, instance.clone());
    if !section.is_set("credentials") {
        let remedy = format!("add [{instance}.credentials] with a type and its keys");
        section.mistake("", "has no credentials", remedy);
        return None;
    }
    let mut section = Section::new(reader, instance.key("credentials"));
    let Some(kind) = section.choice("type") else {
        if !section.is_set("type") {
            section.missing(
                "type",
                "write type = \"device\", \"user\" or \"consumer_app\"",
            );
        }
        return None;
    };
    match kind {
        "user" => read_user(&mut section),
        "consumer_app" => read_consumer_app(&mut section),
        _ => Some(read_device(&mut section)),
    }
}

fn read_device(section: &mut Section<'_>) -> Credentials {
    section.refuse_others(
        &["type", "uuid", "secret", "allow_pairing"],
        "for the type \"device\"",
    );
    let uuid = section.text("uuid");
    let secret = secret::read(section, "secret");
    let allow_pairing = section.flag("allow_pairing").unwrap_or(false);
    if !allow_pairing {
        if !section.is_set("uuid") {
            section.missing("uuid", "set it, or allow_pairing = true");
        }
        if !section.is_set("secret") && !section.is_set("secret_file") {
            section.missing("secret", "set it or secret_file, or allow_pairing = true");
        }
    }
    Credentials::Device {
        uuid,
        secret,
        allow_pairing,
    }
}

fn read_user(section: &mut Section<'_>) -> Option<Credentials> {
    section.refuse_others(
        &["type", "username", "password", "organization"],
        "for the type \"user\"",
    );
    let username = section.required("username");
    let password = secret::required(section, "password");
    let organization = section.required("organization");
    Some(Credentials::User {
        username: username?,
        password: password?,
        organization: organization?,
    })
}

fn read_consumer_app(section: &mut Section<'_>) -> Option<Credentials> {
    section.refuse_others(
        &["type", "uuid", "api_key"],
        "for the type \"consumer_app\"",
    );
    let uuid = section.required("uuid");
    let api_key = secret::required(section, "api_key");
    Some(Credentials::ConsumerApp {
        uuid: uuid?,
        api_key: api_key?,
    })
}
