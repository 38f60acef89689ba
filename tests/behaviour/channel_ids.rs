//! Channels are compared by what their IDs mean, whoever spelled them and however.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use expd::config::{BroadcastChannelForm, ChannelIdSpelling};
use expd_client::{Client, Listen};
use expd_domain::Channel;

use expd_test_support::world::{World, device, json};

/// Names that are spelled differently in the two alphabets, in the two escapings, or hard to carry
/// at all.
fn names() -> Vec<String> {
    vec![
        "menu".to_owned(),
        String::new(),
        "\u{e9}\u{ff}".to_owned(),
        "???>>>~~~".to_owned(),
        "café 菜单 🍽 \u{2028} ע\u{200f}".to_owned(),
        r#"quotes " and ' and \ and / and <>&"#.to_owned(),
        "\u{1}\t\n\u{7f}".to_owned(),
        "~é?".repeat(1024),
    ]
}

/// The ID as others may spell it: the alphabet, padded or not, and `\u` escapes as the Python SDK
/// makes them.
fn spellings(name: &str) -> Vec<String> {
    let plain = serde_json::json!(["demo", name, 0, 0]).to_string();
    let escaped: String = plain
        .encode_utf16()
        .map(|unit| match u8::try_from(unit) {
            Ok(ascii) if ascii.is_ascii() => char::from(ascii).to_string(),
            _ => format!("\\u{unit:04x}"),
        })
        .collect();
    let spaced = plain.replacen("\",", "\", ", 1);
    let ios = plain.replace('/', "\\/");
    let gson = ["<", ">", "&", "=", "'"]
        .into_iter()
        .fold(plain.clone(), |text, c| {
            text.replace(c, &format!("\\u{:04x}", c.as_bytes()[0]))
        });
    let latin: Option<Vec<u8>> = plain.chars().map(|c| u8::try_from(c).ok()).collect();
    let texts = [plain, escaped, spaced, ios, gson].map(String::into_bytes);
    let mut ids = Vec::new();
    for text in texts.into_iter().chain(latin) {
        ids.push(URL_SAFE.encode(&text));
        ids.push(STANDARD.encode(&text));
        ids.push(STANDARD.encode(&text).trim_end_matches('=').to_owned());
    }
    ids
}

/// Broadcasts as a program would that is not expd: over the API, on a channel ID.
async fn broadcast_on(client: &Client, id: &str, payload: usize) {
    let body = serde_json::json!({ "name": "n", "payload": payload, "channel": id });
    let answer = client
        .request(
            "",
            "POST",
            "/api/networks/current/broadcasts",
            BTreeMap::from([("timeout".to_owned(), "0".to_owned())]),
            Some(&json(&body.to_string())),
        )
        .await
        .unwrap();
    assert_eq!(answer.status, 200, "{id}: {:?}", answer.body);
}

#[tokio::test]
async fn every_spelling_of_a_channel_reaches_its_listeners_once() {
    for spelling in [
        ChannelIdSpelling::Both,
        ChannelIdSpelling::UrlSafe,
        ChannelIdSpelling::Standard,
    ] {
        let mut world = World::dark(&[("default", device())], |_| {}).await;
        for instance in world.daemon.settings.instances.values_mut() {
            instance.channel_id = spelling;
        }
        world.network.start_again().await;
        world.daemon.start_again();
        let client = world.client().await;
        for name in names() {
            let mut ear = world.ear(&Listen::to(Channel::new(&name))).await;
            let ids = spellings(&name);
            for (number, id) in ids.iter().enumerate() {
                broadcast_on(&client, id, number).await;
            }
            for number in 0..ids.len() {
                let heard = ear.broadcast().await;
                assert_eq!(heard.payload.as_str(), number.to_string(), "{name:?}");
                assert_eq!(heard.channel.name, name);
            }
        }
        let counters = world.counters().await;
        assert_eq!(counters.subscriptions, names().len() as u64 + 1);
    }
}

#[tokio::test]
async fn a_broadcast_names_its_channel_in_either_form() {
    for form in [BroadcastChannelForm::Object, BroadcastChannelForm::Id] {
        let mut world = World::dark(&[("default", device())], |_| {}).await;
        for instance in world.daemon.settings.instances.values_mut() {
            instance.broadcast_channel = form;
        }
        world.network.start_again().await;
        world.daemon.start_again();
        let client = world.client().await;
        for name in names() {
            let channel = Channel::new(&name).consumer();
            let mut ear = world.ear(&Listen::to(channel.clone())).await;
            client
                .broadcast("", &channel, "n", &json("1"), None)
                .await
                .unwrap();
            assert_eq!(ear.broadcast().await.channel, channel);
        }
    }
}
