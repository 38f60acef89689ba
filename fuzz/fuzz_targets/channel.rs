//! Channel IDs from a network: no panic, a limit on what is decoded, and whatever decodes is the
//! same in both alphabets.
//!
//! ```sh
//! RUSTC_BOOTSTRAP=1 cargo fuzz run channel -- -max_total_time=600
//! ```
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use expd_domain::channel::MAX_NAME_BYTES;
use expd_domain::{Alphabet, Channel, ChannelId, IdentityKind};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [kind, rest @ ..] = data else {
        return;
    };
    match kind % 4 {
        // The text itself.
        0 => {
            if let Ok(text) = std::str::from_utf8(rest) {
                read(&ChannelId::from_wire(text));
            }
        }
        // The fuzzer need not find Base64 by itself.
        1 => read(&ChannelId::from_wire(STANDARD.encode(rest))),
        2 => read(&ChannelId::from_wire(URL_SAFE.encode(rest))),
        _ => {
            let text = String::from_utf8_lossy(rest);
            let (organization, name) = text.split_once('\0').unwrap_or(("o", &text));
            let channel = Channel {
                name: name.to_owned(),
                system: kind & 4 != 0,
                consumer: kind & 8 != 0,
            };
            write(organization, &channel);
        }
    }
});

fn read(id: &ChannelId) {
    match id.decode() {
        Ok((organization, channel)) => {
            let padding = id.as_str().trim_end_matches('=');
            assert_eq!(
                ChannelId::from_wire(padding).decode().as_ref(),
                Ok(&(organization.clone(), channel.clone()))
            );
            write(&organization, &channel);
        }
        // A refusal quotes at most 64 characters, all escaped in the worst case.
        Err(error) => assert!(error.to_string().len() < 64 * 12 + 128),
    }
}

/// Checks that an encoded channel decodes to itself, in either alphabet, and that no permitted name
/// is too long for it.
fn write(organization: &str, channel: &Channel) {
    let allowed = channel.may_listen(IdentityKind::Device).is_ok();
    assert_eq!(allowed, channel.name.len() <= MAX_NAME_BYTES);
    assert!(channel.may_broadcast(IdentityKind::Device).is_ok() <= !channel.system);
    assert!(channel.may_listen(IdentityKind::ConsumerApp).is_ok() <= channel.consumer);
    if organization.len() > MAX_NAME_BYTES || channel.name.len() > MAX_NAME_BYTES {
        return;
    }
    for alphabet in [Alphabet::UrlSafe, Alphabet::Standard] {
        let id = ChannelId::encode(organization, channel, alphabet);
        assert_eq!(id.decode(), Ok((organization.to_owned(), channel.clone())));
    }
}
